"""Snapshots: the rows of a source as they were known at a moment, kept under their digest."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import msgspec
import polars as pl

from penstock.core.errors import InvalidValue
from penstock.datasets.columns import column_type, known, known_at
from penstock.datasets.expectations import Expectations, Violation, check, refuse, rules_in
from penstock.datasets.gathering import gathered
from penstock.datasets.listing import listing
from penstock.datasets.places import snapshot_id
from penstock.datasets.reading import MALFORMED, SourceFiles, scan
from penstock.datasets.sketches import KEPT, Sketch
from penstock.datasets.sketching import sketch
from penstock.datasets.tables import write_table
from penstock.datasets.types import Column, Quarantined, Snapshot, Source
from penstock.lineage.ports import Blobs

MOST = 1000
"""Rows that are left out of a snapshot whose places and reasons are kept; all of them are counted."""


class Rows(NamedTuple):
    """The well-formed rows of a source, how many were malformed, and where and why, up to `MOST` of them."""

    rows: pl.DataFrame
    malformed: int
    reasons: list[Quarantined]


def read(source: Source, data_root: str | Path, as_of: datetime) -> pl.LazyFrame:
    """The well-formed rows of a source that were known at `as_of` (UTC), in order of event time.

    Text files with lines that are no rows are read at once, without these.
    Raises NotFound or InvalidValue as `take_snapshot`.
    """
    found = listing(source, data_root)
    if found.format == "parquet":
        return _sorted(source, _known(source, scan(source, data_root, found), as_of)).drop(MALFORMED)
    return rows_of(source, data_root, as_of).rows.lazy()


def take_snapshot(
    source: Source,
    data_root: str | Path,
    as_of: datetime,
    blobs: Blobs,
    expected: Expectations | None = None,
    *,
    declared: str = "",
) -> Snapshot:
    """Read what was known at `as_of` (UTC) and keep it as one uncompressed Arrow IPC file.

    Left out and counted are rows without a key or a time, rows with text where a number is expected, and
    lines that are no rows at all; where they stand and why is kept beside, for up to `MOST` of them.
    The same rows give the same digest wherever and however they lie in files. Rows that are larger than
    memory are put aside on the disk while they are brought into order. What was `declared` of the source and
    its place, as a digest, is part of the snapshot's id.
    Raises NotFound when there are no files, InvalidValue when they cannot be read, no row was known, or rows
    are not as expected: then nothing is kept. Raises StorageFailed on a full disk.
    """
    files = SourceFiles(source, data_root, listing(source, data_root))
    with ExitStack() as aside:
        rows, malformed = gathered(source, files, as_of, aside)
        reasons = files.reasons(MOST if malformed else 0)
        seen = sketch(rows)
        if not seen.rows:
            raise _none(source, files, as_of, malformed, reasons)
        warnings = _warnings(source, rows.lazy(), expected, seen)
        with blobs.writing() as file:
            write_table(rows.lazy(), file)
        moment = pl.col(source.event_time)
        ends = rows.lazy().select(first=moment.min(), last=moment.max()).collect(engine="streaming")
    return Snapshot(
        id=snapshot_id(source.name, as_of, file.digest, declared),
        source=source.name,
        as_of=as_of,
        first=ends["first"][0],
        last=ends["last"][0],
        rows=seen.rows,
        quarantined=malformed,
        quarantine=blobs.put(msgspec.json.encode(reasons)) if reasons else "",
        columns=tuple(
            Column(name=name, dtype=column_type(dtype), nullable=column.nulls > 0)
            for (name, dtype), column in zip(rows.collect_schema().items(), seen.columns, strict=True)
        ),
        digest=file.digest,
        profile=blobs.put(msgspec.msgpack.encode(seen.cut(KEPT))),
        expected=rules_in(expected) if expected else 0,
        unexpected=tuple(map(str, warnings)),
    )


def taken_again(source: Source, kept: Snapshot, blobs: Blobs, expected: Expectations | None) -> Snapshot:
    """A snapshot that was kept, its rows held against what is expected today. Raises as `take_snapshot`."""
    seen = msgspec.msgpack.decode(blobs.get(kept.profile), type=Sketch)
    rows = pl.scan_ipc(blobs.path(kept.digest))
    warnings = _warnings(source, rows, expected, seen)
    return msgspec.structs.replace(
        kept, expected=rules_in(expected) if expected else 0, unexpected=tuple(map(str, warnings))
    )


def _warnings(
    source: Source, rows: pl.LazyFrame, expected: Expectations | None, seen: Sketch
) -> list[Violation]:
    if expected is None:
        return []
    found = check(rows, expected, sketch=seen, named_by=source.named_by)
    return refuse(found, f"The rows of the source {source.name}", source.name)


def rows_of(source: Source, data_root: str | Path, as_of: datetime) -> Rows:
    """What was known at `as_of` (UTC), and what is left out of it. Raises NotFound or InvalidValue."""
    files = SourceFiles(source, data_root, listing(source, data_root))
    with ExitStack() as aside:
        rows, malformed = gathered(source, files, as_of, aside)
        return Rows(rows.lazy().collect(), malformed, files.reasons(MOST if malformed else 0))


def told(left_out: Quarantined) -> str:
    """Where a row or file that was left out stands, and why, such as `a.csv, line 7: value is no number`."""
    where = f"{left_out.file}, line {left_out.line}" if left_out.line else left_out.file
    what = f"`{left_out.column}` {left_out.why}" if left_out.column else left_out.why
    return f"{where}: {what}" + (f" ({left_out.value!r})" if left_out.value else "")


def _none(
    source: Source, files: SourceFiles, as_of: datetime, malformed: int, reasons: list[Quarantined]
) -> InvalidValue:
    later = files.rows().filter(~pl.col(MALFORMED)).select(pl.len(), known_at(source).min().alias("first"))
    rows, first = later.collect().row(0)
    example = f", such as {told(reasons[0])}" if reasons else ""
    found = f"{malformed} malformed rows{example}" if malformed else "" if rows else "files without a row"
    if rows:
        each = f"{rows} that became known later, the first at {first:%Y-%m-%d %H:%M} UTC"
        found = f"{found}; and {each}" if found else each
    return InvalidValue(
        what=f"The source {source.name} has no rows that were known at {as_of:%Y-%m-%d %H:%M} UTC",
        found=found,
        fix="Times without a zone are taken as UTC." if rows and not source.undated else "",
    )


def _known(source: Source, rows: pl.LazyFrame, as_of: datetime) -> pl.LazyFrame:
    return rows.filter(~pl.col(MALFORMED), known(source, as_of))


def _sorted(source: Source, rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.sort(source.event_time, maintain_order=True)
