"""Reading tables of a document so strictly that every mistake is told with its place."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any, NoReturn, TypeVar

from penstock.core.durations import duration
from penstock.core.errors import InvalidProject, InvalidValue
from penstock.revisions.config.lines import Path, key_lines
from penstock.revisions.names import check_name

V = TypeVar("V")
_KINDS: dict[type, str] = {
    str: "a text in quotes",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    list: "a list",
    dict: "a table",
}


class Document:
    """A TOML text that knows its name and its lines."""

    def __init__(self, text: str, file: str) -> None:
        """Raises InvalidProject when the text is not TOML."""
        self.file = file
        try:
            self.values = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise InvalidProject(
                what=f"{file} is not a TOML document: {error}",
                fix="See https://toml.io for how it is written.",
            ) from error
        self.lines = key_lines(text)

    def refuse(
        self, path: Path, what: str, *, expected: str = "", found: str = "", fix: str = ""
    ) -> NoReturn:
        """Raise InvalidProject for the key at `path`, or for the nearest table that holds it."""
        while path not in self.lines:
            path = path[:-1]
        raise InvalidProject(
            what=f"{self.file}:{self.lines[path]}: {what}", expected=expected, found=found, fix=fix
        )


class Table:
    """A table of a document. Every reader takes a key, and refuses a value of another kind."""

    def __init__(self, document: Document, path: Path, values: dict[str, Any]) -> None:
        self.document = document
        self.path = path
        self.values = values

    def __contains__(self, key: str) -> bool:
        return key in self.values

    @property
    def name(self) -> str:
        """The table as one would write it: `environments.test`, `triggers[0].any[1]`."""
        name = ""
        for part in self.path:
            name += f"[{part}]" if isinstance(part, int) else f".{part}"
        return name.lstrip(".")

    def refuse(
        self, key: str | None, what: str, *, expected: str = "", found: str = "", fix: str = ""
    ) -> NoReturn:
        """Raise InvalidProject for a key of this table, or for the table itself."""
        path = self.path if key is None else (*self.path, key)
        self.document.refuse(path, what, expected=expected, found=found, fix=fix)

    def allow(self, *keys: str) -> None:
        """Refuse every key that is not one of `keys`."""
        place = self.name or "the document"
        for key in self.values:
            if key not in keys:
                self.refuse(
                    key, f"{key!r} is not a key of {place}", expected=one_of(keys), fix=question(key, keys)
                )

    def get(self, key: str, kind: type[V], default: V | None = None, *, such_as: str = "") -> V:
        """The value of this kind; a key without a default must be there, and is asked for by an example."""
        if key not in self.values:
            if default is None:
                example = f" such as {such_as}" if such_as else ""
                self.refuse(None, f"{self.name} lacks the key {key!r}", expected=_KINDS[kind] + example)
            return default
        value = self.values[key]
        if kind is float and type(value) is int:
            value = float(value)
        if type(value) is not kind:
            self.refuse(key, f"{key!r} has an impossible value", expected=_KINDS[kind], found=repr(value))
        return value

    def plain(self, key: str | None, name: str, noun: str) -> str:
        """A name that may stand in addresses, of a `noun`."""
        try:
            return check_name(name, noun)
        except InvalidValue as error:
            self.refuse(key, error.what, expected=error.expected, found=error.found)

    def over(self, other: Table | None) -> Table:
        """This table with the keys that it lacks from another; what it has itself stands whole.

        Mistakes are told with the place of this one: the other was read by itself.
        """
        return Table(self.document, self.path, (other.values if other else {}) | self.values)

    def number(self, key: str, default: int, *, least: int) -> int:
        """A whole number that is not below `least`."""
        value = self.get(key, int, default)
        if value < least:
            self.refuse(
                key, f"{key!r} has an impossible value", expected=f"at least {least}", found=str(value)
            )
        return value

    def choice(self, key: str, choices: Iterable[str], default: str | None = None) -> str:
        """One of some texts."""
        value = self.get(key, str, default)
        self._choose((*self.path, key), value, tuple(choices))
        return value

    def choices(self, key: str, choices: Iterable[str]) -> tuple[str, ...]:
        """A list of at least one of some texts."""
        values = self.texts(key)
        allowed = tuple(choices)
        for index, value in enumerate(values):
            self._choose((*self.path, key, index), value, allowed)
        return values

    def _choose(self, path: Path, value: str, allowed: Sequence[str]) -> None:
        if value not in allowed:
            what = f"{path[len(self.path)]!r} has an impossible value"
            self.document.refuse(
                path, what, expected=one_of(allowed), found=repr(value), fix=question(value, allowed)
            )

    def span(self, key: str, default: str | None = None) -> str:
        """A duration, as text."""
        value = self.get(key, str, default, such_as='"7d"')
        try:
            duration(value)
        except InvalidValue as error:
            self.refuse(
                key,
                f"{key!r} has an impossible value",
                expected=error.expected,
                found=error.found,
                fix=error.fix,
            )
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of at least one text, none of them twice."""
        values = self.get(key, list)
        for index, value in enumerate(values):
            if type(value) is not str or value in values[:index]:
                self.document.refuse(
                    (*self.path, key, index),
                    f"{key!r} has an impossible item",
                    expected="texts in quotes, each once",
                    found=repr(value),
                )
        if not values:
            self.refuse(key, f"{key!r} is empty", expected="at least one text")
        return tuple(values)

    def table(self, key: str) -> Table:
        """A table inside; an empty one when the key is missing."""
        return Table(self.document, (*self.path, key), self.get(key, dict, {}))

    def tables(self, key: str) -> list[Table]:
        """A list of tables inside; an empty one when the key is missing."""
        tables = []
        for index, values in enumerate(self.get(key, list, [])):
            path = (*self.path, key, index)
            if type(values) is not dict:
                self.document.refuse(
                    path, f"{key!r} has an impossible item", expected="a table", found=repr(values)
                )
            tables.append(Table(self.document, path, values))
        return tables

    def named(self, key: str) -> dict[str, Table]:
        """The tables of a table of tables, by name and in the order of the file."""
        inside = self.table(key)
        return {name: inside.table(name) for name in inside.values}


def one_of(words: Sequence[str]) -> str:
    """Some words as the end of the sentence "expected …"."""
    if not words:
        return "nothing"
    return f"one of {', '.join(words)}" if len(words) > 1 else words[0]


def question(word: str, words: Sequence[str]) -> str:
    """A question after the word that was perhaps meant, or nothing."""
    close = [known for known in words if word and known.startswith(word)] or get_close_matches(
        word, words, n=1
    )
    return f"Did you mean {close[0]!r}?" if close else ""
