"""Reads the files of a source as they are: times in UTC, malformed rows marked."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from penstock.core.errors import InvalidValue
from penstock.core.words import meant
from penstock.datasets.listing import Listing, listing
from penstock.datasets.types import Source

MALFORMED = "penstock.malformed"
"""The column that marks rows without a key or a time, or with text where a number stands elsewhere."""

_INFERRED_FROM = 10_000
"""Rows of a CSV or JSON lines source that decide about the types of its columns."""
_TIMES = ("%+", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%d")
_UTC = pl.Datetime("us", "UTC")


def scan(source: Source, data_root: str | Path, found: Listing | None = None) -> pl.LazyFrame:
    """All rows of a source, or of the files `found` of it, lazily, with the column `MALFORMED` added.

    Times are Datetime in microseconds UTC (naive ones are taken as UTC), not-a-number is null.
    Raises NotFound when there are no files, InvalidValue when none is whole, a declared column is missing
    or is no time, or when the files cannot be read as tables.
    """
    files = found or listing(source, data_root)
    try:
        rows = _tables(files)
        schema = rows.collect_schema()
    except pl.exceptions.PolarsError as error:
        raise unreadable(source, error) from error
    times = dict.fromkeys(name for name in (source.event_time, source.known_time) if name)
    for name in (*times, *source.key):
        if name not in schema:
            raise InvalidValue(
                what=f"The source {source.name} has no column `{name}`.",
                fix=meant(name, set(schema) - {MALFORMED}),
            )
    moments = [_moment(source, name, schema[name]) for name in times]
    others = [
        _in_utc(name, dtype)
        for name, dtype in schema.items()
        if isinstance(dtype, pl.Datetime) and name not in times
    ]
    numbers = [pl.col(name).fill_nan(None) for name, dtype in schema.items() if dtype.is_float()]
    incomplete = pl.any_horizontal(pl.col(name).is_null() for name in (*times, *source.key))
    return rows.with_columns(*moments, *others, *numbers).with_columns(
        (pl.col(MALFORMED) | incomplete).alias(MALFORMED)
    )


def unreadable(source: Source, error: pl.exceptions.PolarsError) -> InvalidValue:
    """The refusal for files that Polars cannot read."""
    return InvalidValue(
        what=f"The files of the source {source.name} ({source.path}) cannot be read as one table",
        found=str(error).split("\n")[0],
    )


def _tables(found: Listing) -> pl.LazyFrame:
    well_formed = pl.lit(value=False).alias(MALFORMED)
    match found.format:
        case "parquet":
            return pl.scan_parquet(found.paths).with_columns(well_formed)
        case "ndjson":
            return pl.scan_ndjson(found.paths, infer_schema_length=_INFERRED_FROM).with_columns(well_formed)
        case _:
            return _csv(found.paths)


def _csv(paths: list[Path]) -> pl.LazyFrame:
    """CSV is read as text and then cast, so that one bad cell marks its row instead of ending the read."""
    schema = pl.scan_csv(paths, infer_schema_length=_INFERRED_FROM).collect_schema()
    typed = {name: dtype for name, dtype in schema.items() if dtype != pl.String}
    cast = {
        name: pl.col(name).replace_strict(
            {"true": True, "false": False}, default=None, return_dtype=pl.Boolean
        )
        if dtype == pl.Boolean
        else pl.col(name).cast(dtype, strict=False)
        for name, dtype in typed.items()
    }
    bad = [column.is_null() & pl.col(name).is_not_null() for name, column in cast.items()]
    return pl.scan_csv(paths, infer_schema=False).with_columns(
        pl.any_horizontal(*bad, pl.lit(value=False)).alias(MALFORMED),
        *(column.alias(name) for name, column in cast.items()),
    )


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
    raise InvalidValue(
        what=f"The column `{name}` of the source {source.name} is no time",
        expected="a timestamp, a date or ISO 8601 text",
        found=str(dtype),
    )


def _in_utc(name: str, dtype: pl.Datetime) -> pl.Expr:
    column = pl.col(name) if dtype.time_zone else pl.col(name).dt.replace_time_zone("UTC")
    return column.dt.convert_time_zone("UTC").cast(_UTC)
