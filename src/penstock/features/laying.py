"""Laying out what a view makes of its source, however large that is: the same bytes as in memory."""

from __future__ import annotations

import mmap
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import DTypeLike, NDArray

from penstock.datasets.spilling import HELD, Spilled, append, held, lazily, piece_of
from penstock.features.keeping import (
    Sections,
    record,
    records_of,
    split,
    taken,
    write_sections,
    write_timeline,
)
from penstock.features.made import Made
from penstock.features.timelines import COUNT, Integers, Rows, Timeline, portions, timeline_of
from penstock.lineage.ports import Writing

PARTS = 64
"""Parts on the disk of a view that is larger than memory; each of them has to fit into it."""
_AT_ONCE = 1 << 18
"""Rows that are brought into the order of the whole at once."""
_NUMBER, _START = "penstock.number", "penstock.start"
_ORDER = ["penstock.sight", "penstock.event", "penstock.known", _NUMBER]
"""What entities are in the order of: the times of the first of their rows in sight, and its number."""


def lay_out(made: Made, file: Writing) -> int:
    """Write the timeline of a view to a file; gives how many rows it has.

    The rows of a view of more than `HELD` values are put aside on the disk in parts by entity, laid out part
    by part, and put together in the order of a timeline made in memory, so that the bytes are the same.
    Raises InvalidValue when the view fails, StorageFailed on a full disk.
    """
    schema = pl.Schema({name: made.schema[name] for name in made.features})
    pieces = made.pieces(piece_of(schema))
    first, whole = held(pieces, HELD)
    if whole:
        timeline = made.laid_out(pl.concat(first) if first else made.schema.to_frame())
        with made.refused():
            write_timeline(timeline, file)
        return len(timeline.event)
    plain, _ = split(schema)
    with made.refused(), ExitStack() as files:
        others = files.enter_context(Spilled())
        with Spilled() as rows:
            nulls = _put_aside(chain(first, pieces), made, schema, rows, others)
            del first
            parts = _Parts(record(schema, nulls), nulls, files)
            for part in range(PARTS):
                own = rows.rows(part)
                if own is not None:
                    laid_out = timeline_of(own, made.entity, made.moment, made.known, plain)
                    parts.put(laid_out, own[_NUMBER].to_numpy())
        write_sections(parts.together(schema, others.pieces()), file)
    return parts.rows


def parted(made: Made, of: int) -> Iterator[Made]:
    """What a view makes, in so many parts by entity; to be used one after another.

    It is read once, and put aside on the disk; of none but the part in use anything is held in memory.
    Raises as `lay_out`.
    """
    pieces = made.pieces(piece_of(made.schema))
    with Spilled() as rows:
        for piece in pieces:
            rows.scatter(piece, piece.select(_part_of(made, of)).to_series())
        for part in range(of):
            yield made.only(lazily(partial(rows.pieces, part), made.schema))


def _part_of(made: Made, of: int) -> pl.Expr:
    """The part of each row by its entity. Of two equal zeros one has another hash: nought is added."""
    floats = {name for name in made.entity if made.schema[name].is_float()}
    return pl.struct(pl.col(name) + 0.0 if name in floats else name for name in made.entity).hash() % of


def _put_aside(
    pieces: Iterable[pl.DataFrame], made: Made, schema: pl.Schema, rows: Spilled, others: Spilled
) -> list[str]:
    """Put rows into parts by their entities, and what no record holds in the order of the view.

    Gives the columns of records that have nulls.
    """
    plain, other = split(schema)
    wanted = dict.fromkeys([*made.entity, made.moment, made.known, *plain])
    part = _part_of(made, PARTS)
    nulls: set[str] = set()
    number = 0
    for piece in pieces:
        nulls.update(name for name in plain if piece[name].null_count())
        if other:
            others.put(piece.select(other))
        numbers = pl.int_range(number, number + piece.height).alias(_NUMBER)
        rows.scatter(piece.select(*wanted, numbers), piece.select(part).to_series())
        number += piece.height
    return [name for name in plain if name in nulls]


class _Parts:
    """The timelines of parts of a view, one after another on the disk."""

    def __init__(self, dtype: np.dtype[np.void], nulls: list[str], files: ExitStack) -> None:
        self.rows = 0
        self._nulls = nulls
        self._dtype = dtype
        self._event, self._known, self._shown = (_Aside("<i8", files) for _ in range(3))
        self._records = _Aside(dtype, files)
        self._heads: list[pl.DataFrame] = []
        self._own = self._late = False

    def put(self, part: Timeline[Rows], numbers: Integers) -> None:
        """Append a part; `numbers` are those of the rows that it was made of."""
        counts = part.counts.astype(np.int64)
        starts = np.cumsum(counts) - counts
        shown = np.arange(len(part.event)) if part.shown is None else part.shown
        order = part.features.order.to_numpy()
        self._event.put(part.event)
        self._known.put(part.known)
        self._shown.put(shown - np.repeat(starts, counts))
        self._records.put(taken(records_of(part.features.table, numbers, self._dtype, self._nulls), order))
        self._own |= part.known is not part.event
        self._late |= part.shown is not None
        first = (part.sight(starts), part.event[starts], part.known[starts], numbers[order[starts]])
        columns = [pl.Series(name, of) for name, of in zip(_ORDER, first, strict=True)]
        places = pl.Series(_START, starts + self.rows)
        self._heads.append(part.entities.with_columns(pl.Series(COUNT, part.counts), places, *columns))
        self.rows += len(part.event)

    def together(self, schema: pl.Schema, others: Iterable[pl.DataFrame]) -> Sections:
        """All parts as one timeline, its entities in the order in which they came into sight."""
        heads = pl.concat(self._heads).sort(_ORDER)
        self._heads.clear()
        order = _Order(heads[_START].to_numpy(), heads[COUNT].to_numpy().astype(np.int64))
        shown = (
            within + start
            for within, start in zip(self._shown.taken(order.places()), order.starts(), strict=True)
        )
        return Sections(
            schema=schema,
            nulls=self._nulls,
            entities=heads.drop(_START, *_ORDER),
            event=self._event.taken(order.places()),
            known=self._known.taken(order.places()) if self._own else None,
            shown=shown if self._late else None,
            records=self._records.taken(order.places()) if self._dtype.itemsize else (),
            others=others,
        )


class _Order:
    """Where the rows of entities lie, which are brought into another order; `_AT_ONCE` or so at a time."""

    def __init__(self, places: Integers, counts: Integers) -> None:
        self._places = places
        self._counts = counts

    def places(self) -> Iterator[Integers]:
        """The places of the rows in their new order."""
        for some, counts in self._portions():
            before = np.cumsum(counts) - counts
            yield np.repeat(self._places[some] - before, counts) + np.arange(counts.sum())

    def starts(self) -> Iterator[Integers]:
        """For each row in the new order the new place of the first row of its entity."""
        start = 0
        for _, counts in self._portions():
            yield np.repeat(np.cumsum(counts) - counts + start, counts)
            start += int(counts.sum())

    def _portions(self) -> Iterator[tuple[slice, Integers]]:
        first = 0
        for end in portions(self._counts, _AT_ONCE):
            yield slice(first, end), self._counts[first:end]
            first = end


class _Aside:
    """An array that is put aside on the disk, and taken from in another order."""

    def __init__(self, dtype: DTypeLike, files: ExitStack) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the others
        files.enter_context(self._file)
        self._dtype = dtype
        self._empty = True

    def put(self, values: NDArray[Any]) -> None:
        """Append values. Raises StorageFailed on a full disk."""
        self._empty = self._empty and not len(values)
        append(self._file.fileno(), np.ascontiguousarray(values).data.cast("B"))

    def taken(self, places: Iterable[Integers]) -> Iterator[NDArray[Any]]:
        """The values at some places, and at the next, and so on."""
        if self._empty:
            return
        data = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        values = np.frombuffer(data, self._dtype)
        for some in places:
            yield taken(values, some)
            data.madvise(mmap.MADV_DONTNEED)  # pages that were read would count as memory of the process
