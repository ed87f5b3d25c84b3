"""Reads the files of a source: columns typed, times in UTC, and each row held against what a row must be."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import polars as pl

from penstock.core.errors import InvalidValue
from penstock.core.words import meant
from penstock.datasets.layout import ROW, Layout, Schema
from penstock.datasets.listing import FORMATS, Listing, listing
from penstock.datasets.mending import Mended, lines_of, mended, shown, whole_lines, word
from penstock.datasets.types import WRITTEN, Events, Quarantined, Source

MALFORMED = "penstock.malformed"
"""The column that marks rows without a key or a time, or with text where a number stands elsewhere."""
_TIMES = ("%+", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%d")
_UTC = pl.Datetime("us", "UTC")
_NEVER = pl.lit(value=False)
Check = tuple[str, str, pl.Expr]
"""A column, what is wrong with a row, and where that is so."""


def scan(source: Source, data_root: str | Path, found: Listing | None = None) -> pl.LazyFrame:
    """All rows of a source, or of the files `found` of it, lazily, with the column `MALFORMED` added.

    Times are Datetime in microseconds UTC (naive ones are taken as UTC), not-a-number is null; a column that
    some files do not have is null there.
    Raises NotFound when there are no files, InvalidValue when none is whole, a declared column is missing
    or is no time, or when the files cannot be read as tables.
    """
    return SourceFiles(source, data_root, found or listing(source, data_root)).rows()


def unreadable(source: Source, error: pl.exceptions.PolarsError) -> InvalidValue:
    """The refusal for files that Polars cannot read."""
    return InvalidValue(
        what=f"The files of the source {source.name} ({source.path}) cannot be read as one table",
        found=str(error).split("\n")[0],
    )


class SourceFiles:
    """The files of a source as rows, and why some of these are malformed."""

    def __init__(self, source: Source, data_root: str | Path, found: Listing) -> None:
        """Raises as `scan`."""
        self._source = source
        self._root = Path(data_root)
        self._found = found
        self._mended: dict[Path, Mended] = {}
        if isinstance(source.kind, Events) and found.format == "ndjson":
            self._mended[found.paths[-1]] = whole_lines(found.paths[-1])
        try:
            self._layout = Layout(found)
        except pl.exceptions.PolarsError as error:
            raise unreadable(source, error) from error
        schema = self._layout.schema
        for name in (*_times(source), *source.key):
            if name not in schema:
                raise InvalidValue(
                    what=f"The source {source.name} has no column `{name}`.", fix=meant(name, schema)
                )

    def rows(self) -> pl.LazyFrame:
        """See `scan`."""
        parts = []
        undated = [WRITTEN] if self._source.undated else []
        for schema, path, table in self._layout.tables(self._mended, apart=self._source.undated):
            columns, checks = self._typed(schema)
            bad = pl.any_horizontal(*(check for _, _, check in checks), _NEVER)
            times = [_written(path).alias(name) for name in undated]
            parts.append(table.select(*columns, *times, bad.alias(MALFORMED)))
        whole = parts[0] if len(parts) == 1 else pl.concat(parts, how="diagonal_relaxed")
        return whole.select(*self._layout.schema, *undated, MALFORMED)

    def mend(self) -> bool:
        """Set aside the lines of text files that no reader takes; whether there were such."""
        before = len(self._mended)
        for schema, path, table in self._layout.tables(self._mended, numbered=True):
            form = FORMATS[path.suffix]
            if form == "parquet" or path in self._mended:
                continue
            try:
                table.select(*schema).collect()
            except pl.exceptions.PolarsError:
                known = {name: self._layout.schema[name] for name in schema}
                self._mended[path] = mended(path, self._name(path), form, known)
        return len(self._mended) > before

    def quarantined(self) -> int:
        """How many lines were set aside."""
        return sum(len(each.bad) for each in self._mended.values())

    def reasons(self, most: int) -> list[Quarantined]:
        """Files that are left out, and up to `most` rows that are malformed: where they stand, and why."""
        return [*self._found.unfinished, *islice(self._reasons(most), most)]

    def _reasons(self, most: int) -> Iterator[Quarantined]:
        for schema, path, table in self._layout.tables(self._mended, numbered=True):
            if path in self._mended:
                yield from self._mended[path].bad
            _, checks = self._typed(schema)
            which = pl.coalesce(pl.when(check).then(number) for number, (_, _, check) in enumerate(checks))
            # Only the columns that are checked are needed to say why.
            names = list(dict.fromkeys(name for name, _, _ in checks))
            wrong = table.with_columns(which.alias(MALFORMED)).filter(pl.col(MALFORMED).is_not_null())
            found = wrong.select(ROW, MALFORMED, *names).head(most).collect()
            if not found.is_empty():
                yield from self._explained(path, found, checks)

    def _explained(self, path: Path, found: pl.DataFrame, checks: list[Check]) -> Iterator[Quarantined]:
        line = self._lines(path, found[ROW].to_list())
        for row in found.iter_rows(named=True):
            column, why, _ = checks[row[MALFORMED]]
            value = "" if row[column] is None else shown(row[column])
            yield Quarantined(file=self._name(path), line=line[row[ROW]], column=column, value=value, why=why)

    def _lines(self, path: Path, rows: list[int]) -> dict[int, int]:
        """The line on which each of these rows begins; of Parquet its number."""
        form = FORMATS[path.suffix]
        if form == "parquet":
            return {row: row + 1 for row in rows}
        if path in self._mended:
            return {row: self._mended[path].lines[row] for row in rows}
        wanted = set(rows)
        lines = enumerate(islice(lines_of(path, form), max(rows) + 1))
        return {row: line for row, line in lines if row in wanted}

    def _name(self, path: Path) -> str:
        return str(path.relative_to(self._root)) if path.is_relative_to(self._root) else str(path)

    def _typed(self, schema: Schema) -> tuple[list[pl.Expr], list[Check]]:
        """The columns of some files in the types of the source, and what must not hold of a row."""
        text = self._found.format == "csv"
        times = _times(self._source)
        columns: list[pl.Expr] = []
        checks: list[Check] = []
        for name, own in schema.items():
            dtype = self._layout.schema[name]
            raw = pl.col(name)
            if name in times:
                column = _moment(self._source, name, own)
                checks += [(name, "is missing", raw.is_null()), (name, "is no time", column.is_null())]
            elif text:
                column = _from_text(raw, dtype)
                if dtype != pl.String:
                    wrong = column.is_null() & raw.is_not_null()
                    checks.append((name, f"is no {word(dtype)}", wrong))
            else:
                column = _in_utc(name, own) if isinstance(own, pl.Datetime) else _cast(raw, own, dtype)
            if name in self._source.key:
                checks.append((name, "is missing", raw.is_null()))
            columns.append((column.fill_nan(None) if dtype.is_float() else column).alias(name))
        absent = [name for name in (*times, *self._source.key) if name not in schema]
        checks += [
            (next(iter(schema)), f"the file has no column `{name}`", pl.lit(value=True)) for name in absent
        ]
        return columns, checks


def _times(source: Source) -> list[str]:
    """The columns of its files that hold the times of rows."""
    names = () if source.undated else (source.event_time, source.known_time)
    return list(dict.fromkeys(name for name in names if name))


def _written(path: Path) -> pl.Expr:
    """When a file was written, in microseconds that have passed."""
    return pl.lit(path.stat().st_mtime_ns // 1000).cast(_UTC)


def _from_text(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """CSV is read as text and then cast, so that one bad cell marks its row instead of ending the read."""
    if dtype == pl.Boolean:
        return column.replace_strict({"true": True, "false": False}, default=None, return_dtype=pl.Boolean)
    return column if dtype == pl.String else column.cast(dtype, strict=False)


def _cast(column: pl.Expr, own: pl.DataType, dtype: pl.DataType) -> pl.Expr:
    return column if own == dtype or own.is_nested() else column.cast(dtype)


def _moment(source: Source, name: str, dtype: pl.DataType) -> pl.Expr:
    """A declared time column in UTC; text that is no time becomes null."""
    if isinstance(dtype, pl.Datetime):
        return _in_utc(name, dtype)
    if dtype == pl.Date:
        return pl.col(name).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    if dtype == pl.String:
        column = pl.col(name).str
        return pl.coalesce(
            column.to_datetime(form, time_unit="us", time_zone="UTC", strict=False) for form in _TIMES
        ).alias(name)
    if dtype == pl.Null:
        return pl.lit(None, _UTC).alias(name)
    raise InvalidValue(
        what=f"The column `{name}` of the source {source.name} is no time",
        expected="a timestamp, a date or ISO 8601 text",
        found=str(dtype),
        fix="Name another column, or write times in this one: nobody knows what a number counts.",
    )


def _in_utc(name: str, dtype: pl.Datetime) -> pl.Expr:
    column = pl.col(name) if dtype.time_zone else pl.col(name).dt.replace_time_zone("UTC")
    return column.dt.convert_time_zone("UTC").cast(_UTC)
