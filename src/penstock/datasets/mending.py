"""Files with lines that no reader takes: the lines are set aside, the others are read."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from penstock.datasets.types import Quarantined

SHOWN = 80
"""Characters of a value that are shown of a row that is left out."""
_NO_TEXT = "the line is no UTF-8"


class Mended(msgspec.Struct, frozen=True):
    """The bytes of a text file without its bad lines, the line that each row begins on, and the bad ones."""

    data: bytes
    lines: list[int]
    bad: list[Quarantined]


def mended(path: Path, file: str, form: str, schema: Mapping[str, pl.DataType]) -> Mended:
    """A CSV or JSON lines file without the lines that are no UTF-8 or do not fit its heading or `schema`.

    Takes the file's size in memory. `file` is what it is called in the reasons.
    """
    text = path.read_text(encoding="utf-8", errors="surrogateescape")
    pieces, lines, bad = [], [], []
    for line, piece, fault in _csv(text) if form == "csv" else _json_lines(text, schema):
        if fault is None:
            pieces.append(_readable(piece))
            lines.append(line)
        else:
            column, value, why = fault[0], _readable(str(fault[1])), fault[2]
            bad.append(Quarantined(file=file, line=line, column=column, value=shown(value), why=why))
    return Mended("".join(pieces).encode(), lines[1:] if form == "csv" else lines, bad)


def _readable(text: str) -> str:
    """Text in which a mark stands for each byte that is no UTF-8."""
    return text.encode(errors="surrogateescape").decode(errors="replace")


def whole_lines(path: Path) -> Mended:
    """A file of JSON lines that is appended to, without a last line that has no end yet."""
    data = path.read_bytes()
    data = data[: data.rfind(b"\n") + 1]
    return Mended(data, list(range(1, data.count(b"\n") + 1)), [])


def lines_of(path: Path, form: str) -> Iterator[int]:
    """The line on which each row of a text file begins that can be read as it is."""
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        if form == "csv":
            rows = csv.reader(file)
            before = 0
            for number, _ in enumerate(rows):
                if number:
                    yield before + 1
                before = rows.line_num
        else:
            yield from (number for number, line in enumerate(file, 1) if line.strip())


def shown(value: Any) -> str:
    """A value as it is shown, cut where it is long."""
    text = str(value)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"


_Fault = tuple[str, Any, str]


def _csv(text: str) -> Iterator[tuple[int, str, _Fault | None]]:
    raw = list(
        io.StringIO(text, newline="")
    )  # the lines that the reader counts, which not all separators end
    wanted = 0
    for before, after, row in _rows(raw):
        piece = "".join(raw[before:after])
        wanted = wanted or len(row)
        fault = None
        if before and not row and piece.strip():
            fault = ("", piece.strip(), "the quotes of its values do not match")
        elif len(row) > wanted:
            fault = ("", piece.strip(), f"the line has {len(row)} values where the heading names {wanted}")
        elif before and _readable(piece) != piece:
            fault = ("", piece.strip(), _NO_TEXT)
        elif piece.count('"') % 2:  # within a value: Polars would look for the other one in the lines below
            written = io.StringIO()
            csv.writer(written, lineterminator="\n").writerow(row)
            piece = written.getvalue()
        yield before + 1, piece if piece.endswith("\n") else f"{piece}\n", fault


def _rows(raw: list[str]) -> Iterator[tuple[int, int, list[str]]]:
    """From which to which line each row of CSV reaches, and its values; none where quotes do not match.

    Lines that only a quote without its like holds together are read each by itself.
    """
    wanted = before = 0
    while (start := before) < len(raw):
        rows = csv.reader(map(raw.__getitem__, range(start, len(raw))), strict=True)
        with suppress(csv.Error):
            for row in rows:
                wanted = wanted or len(row)
                after = start + rows.line_num
                if after > before + 1 and len(row) > wanted:
                    break
                yield before, after, row
                before = after
        if before < len(raw):
            yield before, before + 1, []
            before += 1


def _json_lines(text: str, schema: Mapping[str, pl.DataType]) -> Iterator[tuple[int, str, _Fault | None]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = msgspec.json.decode(line)
        except UnicodeError:
            yield number, "", ("", line, _NO_TEXT)
            continue
        except msgspec.DecodeError:
            yield number, "", ("", line, "the line is no JSON, or not all of one")
            continue
        if not isinstance(row, dict):
            yield number, "", ("", line, "the line is no JSON object")
            continue
        wrong = next((name for name, dtype in schema.items() if not _fits(row.get(name), dtype)), None)
        fault = None if wrong is None else (wrong, row[wrong], f"is no {word(schema[wrong])}")
        yield number, f"{line}\n", fault


def word(dtype: pl.DataType) -> str:
    """What a value of a type is called."""
    if dtype.is_integer():
        return "whole number"
    if dtype.is_numeric():
        return "number"
    return "true or false" if dtype == pl.Boolean else "text" if dtype == pl.String else str(dtype)


def _fits(value: Any, dtype: pl.DataType) -> bool:
    if value is None:
        return True
    if dtype.is_integer():
        return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 63
    if dtype.is_numeric():
        return isinstance(value, int | float) and not isinstance(value, bool)
    if dtype == pl.Boolean:
        return isinstance(value, bool)
    return dtype.is_nested() or isinstance(value, str | int | float | bool)
