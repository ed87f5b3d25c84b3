"""Columns of a table: their types in our words, and which of its rows were known when."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from penstock.datasets.types import Events, Source, Sql


def column_type(dtype: pl.DataType) -> str:
    """The type of a column in the words of `datasets.types.Column`; `other` for lists and the like."""
    if dtype.is_integer():
        return "int"
    if dtype.is_numeric():
        return "float"
    if dtype == pl.Boolean:
        return "bool"
    if dtype.is_temporal() and dtype != pl.Duration:
        return "time"
    if dtype in {pl.String, pl.Categorical, pl.Enum, pl.Null}:
        return "string"
    return "other"


def known(source: Source, as_of: datetime) -> pl.Expr:
    """Whether a row had happened and was known at `as_of`."""
    return pl.all_horizontal(pl.col(name) <= as_of for name in _times(source))


def corrected(source: Source, rows: pl.LazyFrame) -> pl.LazyFrame:
    """Of rows with the same key the one that became known last; all rows where a source keeps no others."""
    if not keeps_corrections(source):
        return rows
    return rows.sort(source.known_time, maintain_order=True).unique(
        subset=source.key, keep="last", maintain_order=True
    )


def keeps_corrections(source: Source) -> bool:
    """Whether rows stay when others with their key come: pushed ones, and those of a table with a watermark
    which say when they became known.
    """
    kept = isinstance(source.kind, Events) or (isinstance(source.kind, Sql) and source.kind.watermark != "")
    return kept and bool(source.key and source.known_time)


def known_at(source: Source) -> pl.Expr:
    """When a row had both happened and become known."""
    return pl.max_horizontal(*_times(source))


def _times(source: Source) -> list[str]:
    return list(dict.fromkeys((source.event_time, source.known_time or source.event_time)))
