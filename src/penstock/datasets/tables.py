"""Tables as bytes: uncompressed Arrow IPC files, the same bytes for equal tables.

They can be mapped, as pyarrow does; Polars copies what it reads of them.
"""

from __future__ import annotations

from typing import IO, Any, cast

import polars as pl

_BATCH = 1 << 18
"""Rows written at a time of a table that is never in memory as a whole."""


def write_table(table: pl.DataFrame | pl.LazyFrame, file: Any) -> None:
    """Write a table to a file that is open for it; a lazy one is computed and written piece by piece.

    A table in memory becomes one record batch, so that each column lies in one piece and is seen by
    NumPy without a copy. Raises polars' PolarsError for what Arrow does not know, such as Python objects.
    """
    # The oldest layout keeps text contiguous; newer ones would also write bytes that no row uses.
    layout = pl.CompatLevel.oldest()
    target = cast(IO[bytes], file)
    if isinstance(table, pl.LazyFrame):
        columns = [_canonical(name, dtype) for name, dtype in table.collect_schema().items()]
        table.select(columns).sink_ipc(
            target, compression="uncompressed", compat_level=layout, record_batch_size=_BATCH, mkdir=False
        )
        return
    columns = [
        _canonical(name, dtype) if table[name].null_count() else _plain(name, dtype)
        for name, dtype in table.schema.items()
    ]
    table.select(columns).rechunk().write_ipc(
        target, compression="uncompressed", compat_level=layout, record_batch_size=max(1, table.height)
    )


def _canonical(name: str, dtype: pl.DataType) -> pl.Expr:
    """The column without the values that lie unseen beneath its nulls."""
    column = _plain(name, dtype)
    if dtype == pl.Null or dtype.is_nested() or dtype == pl.Object:
        return column
    zero = pl.lit(value=False) if dtype == pl.Boolean else pl.lit(0)
    plain = dtype.is_numeric() or dtype.is_temporal() or dtype == pl.Boolean
    filled = column.fill_null(zero.cast(dtype)) if plain else column
    return pl.when(column.is_not_null()).then(filled).alias(name)


def _plain(name: str, dtype: pl.DataType) -> pl.Expr:
    """The column; truths without the bits that lie unseen behind the last."""
    column = pl.col(name)
    return column.cast(pl.UInt8).cast(pl.Boolean) if dtype == pl.Boolean else column
