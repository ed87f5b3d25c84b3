"""On which line each key of a TOML document stands; `tomllib` does not tell."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from typing import NamedTuple

Path = tuple[str | int, ...]

_TOKEN = re.compile(
    r"""
      (?P<blank>[ \t\r]+|\#[^\n]*)
    | (?P<newline>\n)
    | (?P<text>\"{3}(?:\\.|[^\\])*?\"{3,5}|'{3}.*?'{3,5}|"(?:\\.|[^"\\\n])*"|'[^'\n]*')
    | (?P<mark>[\[\]{}=,.])
    | (?P<word>[^\s\[\]{}=,.\#"']+)
    """,
    re.VERBOSE | re.DOTALL,
)


class _Token(NamedTuple):
    kind: str
    text: str
    line: int


def key_lines(text: str) -> dict[Path, int]:
    """The line (from 1) of every table, key and list item, by its path, of a valid TOML document.

    A path holds keys and positions in lists: `("triggers", 0, "any", 1, "schedule")`.
    """
    return _Walk(text).document()


class _Walk:
    """A walk over the tokens. The text has been read by `tomllib`, so nothing is checked again."""

    def __init__(self, text: str) -> None:
        self.tokens: list[_Token] = []
        line = 1
        for match in _TOKEN.finditer(text):
            if match.lastgroup != "blank":
                self.tokens.append(_Token(str(match.lastgroup), match.group(), line))
            line += match.group().count("\n")
        self.at = 0
        self.lines: dict[Path, int] = {(): 1}
        self.lists: Counter[Path] = Counter()

    def document(self) -> dict[Path, int]:
        table: Path = ()
        while self.at < len(self.tokens):
            if self.peek() == "\n":
                self.at += 1
            elif self.peek() == "[":
                table = self.header()
            else:
                self.pair(table)
        return self.lines

    def header(self) -> Path:
        line = self.tokens[self.at].line
        self.skip("[")
        of_list = self.skip("[")
        path: Path = ()
        for key in self.keys("]"):
            if path in self.lists:
                path = (*path, self.lists[path] - 1)
            path = (*path, key)
        self.skip("]")
        self.skip("]")
        if of_list:
            self.lines.setdefault(path, line)
            self.lists[path] += 1
        if path in self.lists:
            path = (*path, self.lists[path] - 1)
        self.lines[path] = line
        return path

    def pair(self, table: Path) -> None:
        line = self.tokens[self.at].line
        path = table
        for key in self.keys("="):
            path = (*path, key)
            self.lines.setdefault(path, line)
        self.skip("=")
        self.value(path)

    def value(self, path: Path) -> None:
        if self.skip("["):
            index = 0
            while not self.skip("]"):
                if self.peek() in {"\n", ","}:
                    self.at += 1
                    continue
                self.lines[*path, index] = self.tokens[self.at].line
                self.value((*path, index))
                index += 1
        elif self.skip("{"):
            while not self.skip("}"):
                if self.peek() in {"\n", ","}:
                    self.at += 1
                else:
                    self.pair(path)
        else:
            while self.peek() not in {"\n", ",", "]", "}", ""}:
                self.at += 1

    def keys(self, end: str) -> list[str]:
        keys: list[str] = []
        while self.peek() != end:
            token = self.tokens[self.at]
            if token.kind == "text":
                keys.append(tomllib.loads(f"key = {token.text}")["key"])
            elif token.kind == "word":
                keys.append(token.text)
            self.at += 1
        return keys

    def peek(self) -> str:
        return self.tokens[self.at].text if self.at < len(self.tokens) else ""

    def skip(self, mark: str) -> bool:
        found = self.peek() == mark
        self.at += found
        return found
