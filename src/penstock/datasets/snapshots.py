"""Snapshots: the rows of a source as they were known at a moment, kept under their digest."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import polars as pl

from penstock.core.digests import digest_value
from penstock.core.errors import InvalidValue
from penstock.datasets.columns import column_type, known
from penstock.datasets.reading import MALFORMED, scan, unreadable
from penstock.datasets.tables import write_table
from penstock.datasets.types import Column, Snapshot, Source
from penstock.lineage.ports import Blobs


def read(source: Source, data_root: str | Path, as_of: datetime) -> pl.LazyFrame:
    """The well-formed rows of a source that were known at `as_of` (UTC), in order of event time.

    Raises NotFound or InvalidValue as `take_snapshot`.
    """
    rows = scan(source, data_root)
    return (
        rows.filter(~pl.col(MALFORMED), known(source, as_of))
        .drop(MALFORMED)
        .sort(source.event_time, maintain_order=True)
    )


def take_snapshot(source: Source, data_root: str | Path, as_of: datetime, blobs: Blobs) -> Snapshot:
    """Read what was known at `as_of` (UTC) and keep it as one uncompressed Arrow IPC file.

    Rows without a key or a time, and rows with text where a number is expected, are left out and counted.
    The same rows give the same digest wherever and however they lie in files.
    Raises NotFound when there are no files, InvalidValue when they cannot be read or no row was known.
    """
    marked = scan(source, data_root).filter(pl.col(MALFORMED) | known(source, as_of))
    try:
        table = marked.sort(source.event_time, maintain_order=True).collect()
    except pl.exceptions.PolarsError as error:
        raise unreadable(source, error) from error
    malformed = int(table[MALFORMED].sum())
    rows = (table.filter(~pl.col(MALFORMED)) if malformed else table).drop(MALFORMED)
    if rows.is_empty():
        raise InvalidValue(
            what=f"The source {source.name} has no rows that were known at {as_of:%Y-%m-%d %H:%M} UTC",
            found=f"{malformed} malformed rows" if malformed else "",
        )
    with blobs.writing() as file:
        write_table(rows, file)
    return Snapshot(
        id=f"{source.name}:{digest_value([source.name, as_of, file.digest])[:16]}",
        source=source.name,
        as_of=as_of,
        first=rows[source.event_time][0],
        last=rows[source.event_time][-1],
        rows=rows.height,
        quarantined=malformed,
        columns=tuple(
            Column(name=name, dtype=column_type(dtype), nullable=rows[name].null_count() > 0)
            for name, dtype in rows.schema.items()
        ),
        digest=file.digest,
    )
