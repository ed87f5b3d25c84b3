"""The columns of a source's files: those of one file, and of all together where files differ."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Mapping
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from penstock.core.errors import InvalidValue
from penstock.datasets.listing import Listing
from penstock.datasets.mending import Mended, mended

ROW = "penstock.row"
"""The column of the number of a row in its file."""
INFERRED_FROM = 10_000
"""Rows of a CSV or JSON lines file that decide about the types of its columns."""
Schema = dict[str, pl.DataType]


class Layout:
    """The files of a source in groups of the same columns, and the columns and types of all together.

    A column that some files do not have is null there. Whole numbers and numbers together are numbers,
    columns that are text in one file are text. Times are left as they are in each file.
    """

    def __init__(self, found: Listing) -> None:
        self._found = found
        self.groups: list[tuple[Schema, list[Path]]] = []
        sampled: dict[str, Schema] = {}
        by_columns: dict[tuple[tuple[str, str], ...], tuple[Schema, list[Path]]] = {}
        for path in found.paths:
            schema = _schema(path, found.format, sampled)
            key = tuple((name, str(dtype)) for name, dtype in schema.items())
            by_columns.setdefault(key, (schema, []))[1].append(path)
        self.groups = list(by_columns.values())
        self.schema: Schema = {}
        for schema, _ in self.groups:
            for name, dtype in schema.items():
                self.schema[name] = _together(self.schema.get(name, dtype), dtype)

    def tables(
        self, mended: Mapping[Path, Mended], *, numbered: bool = False, apart: bool = False
    ) -> Iterator[tuple[Schema, Path, pl.LazyFrame]]:
        """The rows of each group as they are, those of CSV as text, with the group's columns and first file.

        A mended file is a group of its own; `apart` every file is; `numbered` too, and has the numbers of its
        rows, from 0, as the column `ROW`.
        """
        for schema, paths in self.groups:
            alone = paths if numbered or apart else [path for path in paths if path in mended]
            together = [path for path in paths if path not in alone]
            for part in [*([together] if together else []), *([path] for path in alone)]:
                of = [BytesIO(mended[part[0]].data)] if part[0] in mended else part
                yield schema, part[0], self._table(schema, of, ROW if numbered else None)

    def _table(self, schema: Schema, of: Any, row: str | None) -> pl.LazyFrame:
        if self._found.format == "parquet":
            return pl.scan_parquet(of, row_index_name=row)
        if self._found.format == "csv":
            return pl.scan_csv(of, infer_schema=False, row_index_name=row)
        return pl.scan_ndjson(of, schema={name: self.schema[name] for name in schema}, row_index_name=row)


def _schema(path: Path, form: str, sampled: dict[str, Schema]) -> Schema:
    """The columns of a file and their types; CSV files with the same heading have those of the first."""
    if form == "parquet":
        return dict(pl.read_parquet_schema(path))
    if form == "csv":
        with path.open("rb") as file:
            heading = file.readline().decode("utf-8-sig", "replace").strip()
        if heading not in sampled:
            _refuse_twice(path, heading)
            sampled[heading] = _of_csv(path)
        return sampled[heading]
    return _of_json(path)


def _of_csv(path: Path) -> Schema:
    """The columns of a file, without the lines that are no rows where these hide them."""
    try:
        return dict(pl.scan_csv(path, infer_schema_length=INFERRED_FROM).collect_schema())
    except pl.exceptions.PolarsError:
        data = BytesIO(mended(path, path.name, "csv", {}).data)
        return dict(pl.scan_csv(data, infer_schema_length=INFERRED_FROM).collect_schema())


def _refuse_twice(path: Path, heading: str) -> None:
    names = Counter(name for name in next(csv.reader([heading]), ()) if name)
    twice = [name for name, often in names.items() if often > 1]
    if twice:
        raise InvalidValue(
            what=f"The heading of {path.name} names columns twice",
            found=", ".join(f"`{name}`" for name in twice),
            fix="Rename one of them: nobody can tell which is meant.",
        )


def _of_json(path: Path) -> Schema:
    """The columns of the first lines of a file that are JSON objects."""
    with path.open("rb") as file:
        lines = b"\n".join(line for line in islice(file, INFERRED_FROM) if _is_object(line))
    return dict(pl.read_ndjson(lines, infer_schema_length=None).schema) if lines else {}


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(msgspec.json.decode(line), dict)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False


def _together(a: pl.DataType, b: pl.DataType) -> pl.DataType:
    """The type of a column that has one type in some files and another in others."""
    if b in {a, pl.Null}:
        return a
    if a == pl.Null:
        return b
    if a.is_numeric() and b.is_numeric():
        return pl.Int64() if a.is_integer() and b.is_integer() else pl.Float64()
    if a.is_temporal() and b.is_temporal():
        return pl.Datetime("us", "UTC")
    return pl.String()
