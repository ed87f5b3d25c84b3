"""Requests as their client writes them: always the same but for the values, their number and the id.

Where one of them is a usual request, every other that has its form and values that fit their columns is one
too: it differs from it in nothing but these values, the number of rows, and its id.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from penstock.models.types import Signature

_STRING = rb'(?>"[^"\\\x00-\x1f]*+"|null)'
_PLAIN = rb"[-+.0-9a-zE]++"
"""A number, a boolean or null, which is made sure of when it is read."""
_UP_TO_BRACKET = rb"[^\]]++"
"""The same where no column holds text, found sooner. All are read together as one value for each column: none
can then be more, or a part of one.
"""
_NAME = rb'[^"\\\x00-\x1f]*+'
"""No token gives back what it took: a request of another form is known for one at once."""
_DATA = re.compile(rb'("data"[ \t\r\n]*:[ \t\r\n]*\[[ \t\r\n]*)(?:%b|%b)(?=[ \t\r\n]*\])' % (_STRING, _PLAIN))
_SHAPE = re.compile(rb'("shape"[ \t\r\n]*:[ \t\r\n]*\[)[0-9]+(\])')
_DIGITS = 8
_ID = re.compile(rb'("id"[ \t\r\n]*:[ \t\r\n]*")([^"\\\x00-\x1f]*)(?=")')


class RowForm:
    """The form of requests of one row, whose values are given as they are; whether each is one, reading them
    tells.
    """

    def __init__(self, around: Sequence[bytes], tokens: Sequence[bytes], *, named: int) -> None:
        """`around` stands before, between and behind the `tokens`, the patterns of the values and, if there
        is one, of the id, which is the token `named`; -1 for none.
        """
        steps = [b".{%d}" % len(text) for text in around]  # to compare what is known comes cheaper at the end
        patterns = [*(b"(%b)" % token for token in tokens), b""]
        pattern = b"".join(map(b"".join, zip(steps, patterns, strict=True)))
        self._match = re.compile(pattern, re.DOTALL).fullmatch
        self._form = b"%b".join(text.replace(b"%", b"%%") for text in around)
        self._named = named
        self._values = slice(named == 0, len(tokens) - (named > 0))

    def read(self, body: bytes) -> tuple[str, tuple[bytes, ...]] | None:
        """The id of a request, and its values; None for another form."""
        found = self._match(body)
        if found is None:
            return None
        texts = found.groups()
        if self._form % texts != body:
            return None
        return (texts[self._named].decode() if self._named >= 0 else ""), texts[self._values]


class TableForm:
    """The form of requests of many rows without an id, whose columns hold no closing bracket but one."""

    def __init__(self, before: tuple[tuple[bytes, bytes], ...], after: bytes) -> None:
        """`before` is what stands before each column, without the number of rows."""
        self._begin = before[0][0]
        self._before = before
        self._after = after
        self._known: tuple[bytes, tuple[bytes, ...]] = (b"", ())

    def read(self, body: bytes) -> tuple[bytes, tuple[bytes, ...]] | None:
        """How many rows a request says to have, and its columns as JSON lists; None for another form."""
        if not body.startswith(self._begin):
            return None
        at, texts = 0, []
        for part in self._parts(body):
            if not body.startswith(part, at):
                return None
            at += len(part)
            end = body.find(b"]", at) + 1
            texts.append(body[at:end])
            at = end or len(body)
        return (self._known[0], tuple(texts)) if texts and body[at:] == self._after else None

    def _parts(self, body: bytes) -> tuple[bytes, ...]:
        """What stands before each column of a request with as many rows as this one."""
        at = len(self._begin)
        rows = body[at : at + _DIGITS].partition(b"]")[0]
        known, parts = self._known
        if known != rows:
            parts = tuple(rows.join(each) for each in self._before) if rows.isdigit() else ()
            self._known = (rows, parts)
        return parts


def table_form_of(body: bytes, written: Sequence[bytes]) -> TableForm | None:
    """The form of a usual request of many rows, by its columns as they are written; None if it has an id."""
    before, at = [], 0
    for text in written:
        end = body.index(text, at)
        shape = list(_SHAPE.finditer(body, at, end))
        if len(shape) != 1:
            return None
        before.append((body[at : shape[0].end(1)], body[shape[0].start(2) : end]))
        at = end + len(text)
    if _ID.search(before[0][0]) or _ID.search(body, at):
        return None
    return TableForm(tuple(before), body[at:])


def row_form_of(body: bytes, signature: Signature) -> RowForm | None:
    """The form of a usual request of one row; None where values cannot be told from what is around them."""
    columns = len(signature.inputs)
    parts, at, found = [], 0, list(_DATA.finditer(body))
    if len(found) != columns:
        return None
    for each in found:
        parts.append(body[at : each.end(1)])
        at = each.end()
    names = [
        (place, name) for place, text in ((0, parts[0]), (columns, body[at:])) for name in _ID.finditer(text)
    ]
    if len(names) > 1:
        return None
    around = [*parts, body[at:]]
    texts = [each.dtype == "string" for each in signature.inputs]
    plain = _PLAIN if any(texts) else _UP_TO_BRACKET
    tokens = [_STRING if text else plain for text in texts]
    for place, name in names:
        text = around[place]
        around[place : place + 1] = [text[: name.end(1)], text[name.end() :]]
        tokens.insert(place, _NAME)
    return RowForm(around, tokens, named=names[0][0] if names else -1)
