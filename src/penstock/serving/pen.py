"""Answers to usual questions as text, written for many at once: the client's, and the line of the log.

It writes what `encode_answer` and an encoded `record_of` would, byte for byte but for numbers as the request
has them, from parts that are written once for all questions of a turn of the loop, into forms made when the
version began to answer.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from itertools import chain

import msgspec

from penstock.models.types import Signature
from penstock.serving.answers import Scored
from penstock.serving.columns import Block, Question, Row

_encode = msgspec.json.Encoder().encode
_MARK, _ONE = "\1", "[\1]"
"""Where a form is open, and where that is for the one value of a list; JSON holds neither."""

_Part = tuple[bytes, bytes, bytes]
"""Scores and labels as JSON lists, and probabilities, row by row, without brackets."""


Written = tuple[list[bytes], list[bytes]]
"""Answers as their clients get them, and the lines with their ends that the log keeps of them, if any."""


class Pen:
    """Writes the answers of a version as a variant of its model."""

    def __init__(
        self,
        signature: Signature,
        redact: Collection[str],
        *,
        place: tuple[str, int, str, str],
        logged: bool = True,
    ) -> None:
        """`place` are model, version, variant and environment; the log is not told what is to `redact`, and
        nothing unless answers are `logged`.
        """
        self.place = place
        self.logged = logged
        model, version, variant, environment = place
        self._kept = [at for at, column in enumerate(signature.inputs) if column.name not in redact]
        self._whole = len(self._kept) == len(signature.inputs)
        about = _encode({"model": model, "environment": environment, "version": version, "variant": variant})
        names = [_text(signature.inputs[at].name) for at in self._kept]
        self._line, self._row_line = (_line(about[1:-1].decode(), names, mark) for mark in (_MARK, _ONE))
        named = f'{{"model_name":{_text(model)},"model_version":"{version}","id":\1,'
        self._begin = _form(f'{named}"parameters":{{"prediction_id":\1,"variant":{_text(variant)}')
        self._classes = len(signature.classes)
        self._row_reply = self._begin + b"}" + _outputs(1, self._classes, _ONE)

    def write_rows(self, scored: Scored, asked: Sequence[Row], ids: Iterable[str], now: datetime) -> Written:
        """The same of questions of one row each."""
        said, when, kept = _encode(scored[0]), _encode(now), self._kept
        if b"null" in said:
            return [], []
        scores, labels = said[1:-1].split(b","), list(map(_encode, scored[1]))
        chances = _encode(scored[2])[2:-2].split(b"],[") if self._classes else []
        names, line = list(map(_encode, ids)), self._row_line
        if self._classes:
            replies = map(self._row_reply.__mod__, zip(names, names, scores, labels, chances, strict=True))
        else:
            replies = map(self._row_reply.__mod__, zip(names, names, scores, labels, strict=True))
        if not self.logged:
            return list(replies), []
        texts = [row.written if self._whole else [row.written[at] for at in kept] for row in asked]
        lines = [
            line % (name, when, *written, score, label)
            for name, written, score, label in zip(names, texts, scores, labels, strict=True)
        ]
        return list(replies), lines

    def write(
        self, scored: Scored, asked: Sequence[Question | Block], ids: Iterable[str], now: datetime
    ) -> Written:
        """What a model said of the rows of several questions, each by its id, as their answers.

        Gives nothing where it is not finite: then each question is to be told so alone.
        """
        said, when = _encode(scored[0]), _encode(now)
        if b"null" in said:
            return [], []
        parts = self._parts(said, scored, asked)
        written = [self._one(*each, when) for each in zip(asked, map(_encode, ids), parts, strict=True)]
        return [reply for reply, _ in written], [line for _, line in written if self.logged]

    def _parts(self, said: bytes, scored: Scored, asked: Sequence[Question | Block]) -> Iterator[_Part]:
        """What was `said`, the scores, and the labels and probabilities with it, of each question's rows."""
        if len(asked) == 1:
            yield said, _encode(scored[1]), _encode(list(chain.from_iterable(scored[2])))[1:-1]
            return
        labels = list(map(_encode, scored[1]))
        chances = _encode(scored[2])[2:-2] if self._classes else b""
        scores, rows, at = said[1:-1].split(b","), chances.split(b"],["), 0
        for question in asked:
            end = at + question.rows
            yield (
                b"[%b]" % b",".join(scores[at:end]),
                b"[%b]" % b",".join(labels[at:end]),
                b",".join(rows[at:end]),
            )
            at = end

    def _one(self, question: Question | Block, name: bytes, part: _Part, now: bytes) -> tuple[bytes, bytes]:
        rows, (score, label, _) = question.rows, part
        every, named = b"[%b]" % name, b""
        if rows > 1:
            every = name[1:-1].join(_ids(rows))
            named = b',"prediction_ids":' + every
        texts = question.written if self._whole else [question.written[at] for at in self._kept]
        outputs = _outputs(rows, self._classes, _MARK) % (part if self._classes else part[:2])
        return (
            b"%b%b}%b" % (self._begin % (name, name), named, outputs),
            self._line % (every, now, *texts, score, label) if self.logged else b"",
        )


def _line(about: str, names: Iterable[str], mark: str) -> bytes:
    """A line of the log, in which columns, scores and labels are marked so."""
    columns = ",".join(f"{name}:{mark}" for name in names)
    inputs = f'"inputs":{{{columns}}}'
    return _form(f'{{"ids":{mark},"time":{_MARK},{about},{inputs},"score":{mark},"label":{mark}}}\n')


@lru_cache(1024)
def _outputs(rows: int, classes: int, mark: str) -> bytes:
    """The end of an answer to so many rows, in which scores and labels are marked so."""
    made = f',"outputs":[{{"name":"score","shape":[{rows}],"datatype":"FP64","data":{mark}}},'
    made += f'{{"name":"label","shape":[{rows}],"datatype":"BYTES","data":{mark}}}'
    if classes:
        made += f',{{"name":"probabilities","shape":[{rows},{classes}],"datatype":"FP64","data":[\1]}}'
    return _form(made + "]}")


@lru_cache(256)
def _ids(rows: int) -> tuple[bytes, ...]:
    """The ids of so many rows as JSON, cut where the first one stands in each (see `row_ids`)."""
    return b'["', b'","', *(b'/%d","' % row for row in range(1, rows - 1)), b'/%d"]' % (rows - 1)


def _text(value: str) -> str:
    return _encode(value).decode()


def _form(text: str) -> bytes:
    """What `%` fills in where the text has a mark."""
    return text.encode(errors="surrogatepass").replace(b"%", b"%%").replace(_MARK.encode(), b"%b")
