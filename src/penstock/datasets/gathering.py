"""The well-formed rows of a source in order of event time: in memory, or on the disk where there are many."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from datetime import datetime
from itertools import chain
from typing import NamedTuple

import numpy as np
import polars as pl

from penstock.datasets.columns import known
from penstock.datasets.reading import MALFORMED, SourceFiles, unreadable
from penstock.datasets.spilling import HELD, Spilled, held, lazily, piece_of
from penstock.datasets.types import Source

PARTS = 64
"""Spans of time that rows larger than memory are sorted in; each of them has to fit into it."""
_SAMPLED = 256
"""Times of each piece of a table that say where spans end."""


class Gathered(NamedTuple):
    """The rows that were known at a moment, and how many rows and lines were malformed.

    They are a lazy table where there are more than `HELD` values of them.
    """

    rows: pl.DataFrame | pl.LazyFrame
    malformed: int


def gathered(source: Source, files: SourceFiles, as_of: datetime, aside: ExitStack) -> Gathered:
    """Read the files of a source; a lazy table may be read until `aside` is closed.

    Text files with lines that are no rows are read once more, without these. Raises InvalidValue for files
    that cannot be read, StorageFailed on a full disk.
    """
    try:
        return _gathered(source, files, as_of, aside)
    except pl.exceptions.PolarsError as error:
        if not files.mend():
            raise unreadable(source, error) from error
    try:
        found = _gathered(source, files, as_of, aside)
    except pl.exceptions.PolarsError as error:
        raise unreadable(source, error) from error
    return found._replace(malformed=found.malformed + files.quarantined())


def _gathered(source: Source, files: SourceFiles, as_of: datetime, aside: ExitStack) -> Gathered:
    wanted = files.rows().filter(pl.col(MALFORMED) | known(source, as_of))
    schema = wanted.collect_schema()
    malformed = 0

    def well_formed() -> Iterator[pl.DataFrame]:
        nonlocal malformed
        for piece in wanted.collect_batches(chunk_size=piece_of(schema), maintain_order=True):
            bad = int(piece[MALFORMED].sum())
            malformed += bad
            yield (piece.filter(~pl.col(MALFORMED)) if bad else piece).drop(MALFORMED)

    pieces = well_formed()
    first, whole = held(pieces, HELD)
    if not whole:
        rows = _in_order(chain(first, pieces), source.event_time, aside)
        return Gathered(rows, malformed)
    table = pl.concat(first) if first else schema.to_frame().drop(MALFORMED)
    if not table[source.event_time].is_sorted():  # as a log of events grows
        table = table.sort(source.event_time, maintain_order=True)
    return Gathered(table, malformed)


def _in_order(pieces: Iterable[pl.DataFrame], time: str, aside: ExitStack) -> pl.LazyFrame:
    """Rows that are larger than memory in the order of a time, those of one time as they came."""
    spilled = aside.enter_context(Spilled())
    sampled: list[pl.Series] = []
    ordered, schema = True, pl.Schema()
    for piece in pieces:
        schema = piece.schema
        spilled.put(piece)
        times = piece[time]
        if len(times):
            ordered = ordered and times.is_sorted() and (not sampled or sampled[-1][-1] <= times[0])
            sampled.append(pl.concat([times.gather_every(len(times) // _SAMPLED + 1), times.tail(1)]))
    if ordered:
        return lazily(spilled.pieces, schema)
    ends = pl.concat(sampled).sort()
    ends = ends.gather_every(len(ends) // PARTS + 1, offset=len(ends) // PARTS)
    spans = aside.enter_context(Spilled())
    for piece in spilled.pieces():
        spans.scatter(
            piece, pl.Series(np.searchsorted(ends.to_numpy(), piece[time].to_numpy(), side="right"))
        )
    spilled.close()

    def in_order() -> Iterator[pl.DataFrame]:
        for span in range(len(ends) + 1):
            rows = spans.rows(span)
            if rows is not None:
                yield rows.sort(time, maintain_order=True)

    return lazily(in_order, schema)
