"""Timelines as bytes: a file that is mapped, and of which only the rows are read that a join finds.

A file holds, one after another: event times; known times and the places that are shown, where there are
such; the rows as records (numbers, booleans and times side by side, and after these a byte for each of them
that has nulls); as Arrow IPC the entities, the features of other types, and a table without rows that has the
types of all; and where all that lies, as JSON whose length the last 8 bytes say.
"""

from __future__ import annotations

import io
import mmap
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from penstock.datasets.tables import write_table
from penstock.features.timelines import COUNT, Features, Integers, Rows, Timeline, index_of
from penstock.lineage.ports import Writing

_AT_ONCE = 1 << 14
"""Records that are put together or taken apart at once, so that they stay near the processor."""
_length = struct.Struct("<Q")
_PLAIN = {
    pl.Int8: "<i1", pl.Int16: "<i2", pl.Int32: "<i4", pl.Int64: "<i8", pl.UInt8: "<u1", pl.UInt16: "<u2",
    pl.UInt32: "<u4", pl.UInt64: "<u8", pl.Float32: "<f4", pl.Float64: "<f8", pl.Boolean: "?", pl.Date: "<i4",
    pl.Datetime: "<i8", pl.Duration: "<i8", pl.Time: "<i8",
}  # fmt: skip
"""The types whose values all have so many bytes, as NumPy has them."""


class _Contents(msgspec.Struct, frozen=True, kw_only=True):
    """What a file holds: `nulls` are the columns of records that have some, `ends` where each part ends.

    A part that there is not has no length.
    """

    rows: int
    nulls: list[str]
    ends: list[int]


def write_timeline(timeline: Timeline[Rows], file: Writing) -> None:
    """Write a timeline to a file. The same one gives the same bytes.

    Raises PolarsError for values that Arrow does not know, such as Python objects.
    """
    rows = timeline.features
    plain, others = _split(rows.schema)
    nulls = [name for name in plain if rows.table[name].null_count()]
    own = timeline.known is not timeline.event
    ends = [0]

    def write(*pieces: object) -> None:
        ends.append(ends[-1] + sum(file.write(piece) for piece in pieces))

    for times in (timeline.event, timeline.known if own else None, timeline.shown):
        write(*([] if times is None else [np.ascontiguousarray(times, "<i8")]))
    ends.append(ends[-1] + _write_records(rows, _record(rows.schema, nulls), nulls, file))
    counted = timeline.entities.with_columns(pl.Series(COUNT, timeline.counts))
    for table in (counted, rows.table.select(pl.col(others).gather(rows.order)), rows.schema.to_frame()):
        write(_as_bytes(table))
    contents = msgspec.json.encode(_Contents(rows=len(timeline.event), nulls=nulls, ends=ends[1:]))
    write(contents, _length.pack(len(contents)))


def read_timeline(path: str | Path) -> Timeline[Features]:
    """The timeline of a file, which must stay as it is for as long as the timeline is used."""
    with Path(path).open("rb") as file:
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    [length] = _length.unpack(data[-_length.size :])
    found = msgspec.json.decode(data[-_length.size - length : -_length.size], type=_Contents)
    starts = [0, *found.ends[:-1]]
    event, known, shown = (
        np.frombuffer(data, "<i8", (end - start) // 8, start) if end > start else None
        for start, end in zip(starts[:3], found.ends[:3], strict=True)
    )
    entities, others, empty = (
        pl.read_ipc(io.BytesIO(data[start:end]))
        for start, end in zip(starts[4:7], found.ends[4:7], strict=True)
    )
    if event is None:
        event = np.empty(0, np.int64)
    dtype = _record(empty.schema, found.nulls)
    records = np.frombuffer(data, dtype, found.rows, starts[3]) if found.rows and dtype.itemsize else None
    return Timeline(
        entities,
        event,
        event if known is None else known,
        shown,
        _Kept(data, records, others, empty.schema, found.nulls),
    )


class _Kept:
    """The features of a timeline that lies in a mapped file."""

    def __init__(
        self,
        data: mmap.mmap,
        records: NDArray[np.void] | None,
        others: pl.DataFrame,
        schema: pl.Schema,
        nulls: Sequence[str],
    ) -> None:
        self._data = data
        self._records = records
        self._others = others
        self._nulls = nulls
        self.schema = schema

    def take(self, places: Integers) -> pl.DataFrame:
        """See `Features`."""
        others = self._others.select(pl.all().gather(index_of(places)))
        columns = {each.name: each for each in (*others, *self._plain(places))}
        return pl.DataFrame([columns[name] for name in self.schema])

    def _plain(self, places: Integers) -> list[pl.Series]:
        plain, _ = _split(self.schema)
        if self._records is None:
            return [pl.repeat(None, len(places), dtype=self.schema[n], eager=True).alias(n) for n in plain]
        dtype = self._records.dtype
        columns = {name: np.empty(len(places), dtype[name]) for name in dtype.names or ()}
        for start in range(0, len(places), _AT_ONCE):
            some = slice(start, start + _AT_ONCE)
            part = _taken(self._records, places[some])
            for name, column in columns.items():
                column[some] = part[name]
        # The pages that were read would count as this process's memory for as long as the file is mapped.
        self._data.madvise(mmap.MADV_DONTNEED)
        found = places >= 0
        made = []
        for number, name in enumerate(plain):
            there = found & ~columns[_null(number)] if name in self._nulls else found
            values = pl.Series(name, columns[str(number)]).cast(self.schema[name])
            made.append(values if there.all() else values.set(pl.Series(~there), None))
        return made


def _split(schema: pl.Schema) -> tuple[list[str], list[str]]:
    """The columns that are put into records, and the others."""
    plain = [name for name, dtype in schema.items() if dtype.base_type() in _PLAIN]
    return plain, [name for name in schema if name not in plain]


def _record(schema: pl.Schema, nulls: Sequence[str]) -> np.dtype[np.void]:
    """A record's fields: columns by their number, and whether they are null."""
    plain, _ = _split(schema)
    fields = [(str(number), _PLAIN[schema[name].base_type()]) for number, name in enumerate(plain)]
    return np.dtype(fields + [(_null(number), "?") for number, name in enumerate(plain) if name in nulls])


def _null(number: int) -> str:
    return f"{number} is null"


def _write_records(rows: Rows, dtype: np.dtype[np.void], nulls: Sequence[str], file: Writing) -> int:
    """Put rows together in the order of their table, then write them in that of the timeline: its bytes.

    To gather a record is one look into memory, to gather its columns one look for each.
    """
    plain, _ = _split(rows.schema)
    if not plain:
        return 0
    fields = {str(number): pl.col(name).to_physical() for number, name in enumerate(plain)}
    for number, name in enumerate(plain):
        if name in nulls:
            nothing = pl.lit(value=False) if rows.schema[name] == pl.Boolean else pl.lit(0)
            fields[str(number)] = fields[str(number)].fill_null(nothing)
            fields[_null(number)] = pl.col(name).is_null()
    table = rows.table.select(**fields)
    records = np.empty(table.height, dtype)
    for start in range(0, len(records), _AT_ONCE):
        part, into = table[start : start + _AT_ONCE], records[start : start + _AT_ONCE]
        for column in part:
            into[column.name] = column.to_numpy()
    order = rows.order.to_numpy()
    return sum(
        file.write(_taken(records, order[start : start + _AT_ONCE]).view(np.uint8))
        for start in range(0, len(order), _AT_ONCE)
    )


def _taken(records: NDArray[np.void], places: NDArray[Any]) -> NDArray[np.void]:
    """The records at these places; copied as bytes, which is ten times faster than field by field."""
    return records.view(f"V{records.dtype.itemsize}").take(places).view(records.dtype)


def _as_bytes(table: pl.DataFrame) -> bytes:
    file = io.BytesIO()
    write_table(table, file)
    return file.getvalue()
