"""The lines of a document's keys are found however the document is written."""

from __future__ import annotations

import tomllib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from penstock.revisions.config.lines import Path, key_lines

keys = st.one_of(
    st.from_regex(r"[A-Za-z0-9_-]{1,6}", fullmatch=True), st.text("a.[]#= '\n,{}", min_size=1, max_size=4)
)
texts = st.text("ab.[]{}#='\",\n\\ ", max_size=8)
scalars = st.one_of(st.integers(), st.booleans(), texts, st.floats(allow_nan=False, allow_infinity=False))
values = st.recursive(
    scalars,
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(keys, inside, max_size=3),
    max_leaves=8,
)
documents = st.dictionaries(
    keys,
    values
    | st.dictionaries(keys, values, min_size=1, max_size=3)
    | st.lists(st.dictionaries(keys, values, min_size=1, max_size=3), min_size=1, max_size=3),
    max_size=4,
)


class Writer:
    """Writes a document in a random style, and remembers on which line it put each key."""

    def __init__(self, draw: Any) -> None:
        self.draw = draw
        self.text = ""
        self.lines: dict[Path, int] = {}

    def mark(self, path: Path) -> None:
        self.lines.setdefault(path, self.text.count("\n") + 1)

    def document(self, values: dict[str, Any]) -> str:
        tables = {}
        for key, value in values.items():
            is_table = isinstance(value, dict) or (
                isinstance(value, list) and value and all(isinstance(v, dict) for v in value)
            )
            if is_table and self.draw(st.booleans()):
                tables[key] = value
            else:
                self.pair((key,), value)
                self.end()
        for key, value in tables.items():
            for index, table in enumerate(value if isinstance(value, list) else [value]):
                of_list = isinstance(value, list)
                path: Path = (key, index) if of_list else (key,)
                self.mark((key,))
                self.mark(path)
                self.text += f"[[{_text(key)}]]" if of_list else f"[{_text(key)}]"
                self.end()
                for name, inside in table.items():
                    self.pair((*path, name), inside)
                    self.end()
        return self.text

    def pair(self, path: Path, value: Any) -> None:
        self.mark(path)
        self.text += f"{_text(str(path[-1]))} = "
        self.value(path, value)

    def value(self, path: Path, value: Any) -> None:
        if isinstance(value, dict):
            self.text += "{"
            for index, (key, inside) in enumerate(value.items()):
                self.text += ", " if index else ""
                self.pair((*path, key), inside)
            self.text += "}"
        elif isinstance(value, list):
            self.text += "["
            for index, inside in enumerate(value):
                self.text += self.draw(st.sampled_from(["", " ", "\n", " # ] \" '\n"]))
                self.mark((*path, index))
                self.value((*path, index), inside)
                self.text += ","
            self.text += "]"
        elif isinstance(value, bool):
            self.text += str(value).lower()
        elif isinstance(value, str):
            self.text += _text(value) if self.draw(st.booleans()) else f'"""{_text(value)[1:-1]}"""'
        else:
            self.text += repr(value)

    def end(self) -> None:
        self.text += self.draw(st.sampled_from(["\n", '  # [a] = { "\n', "\n\n"]))


def _text(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


@given(data=st.data(), document=documents)
def test_every_key_is_found_on_its_line(data: st.DataObject, document: dict[str, Any]) -> None:
    writer = Writer(data.draw)
    text = writer.document(document)
    assert tomllib.loads(text) == document
    found = key_lines(text)
    assert {path: found.get(path) for path in writer.lines} == writer.lines
