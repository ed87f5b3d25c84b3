"""Timelines as bytes: a file that is mapped, and of which only the rows are read that a join finds.

A file holds, one after another: event times; known times and the places that are shown, where there are
such; the rows as records (numbers, booleans and times side by side, after these a byte for each of them
that has nulls, and the row's number in the view where there are features of other types); as Arrow IPC the
entities, a table without rows that has the types of all, and the features of other types in the order of
the view, piece by piece; and where all that lies, as JSON whose length the last 8 bytes say.
"""

from __future__ import annotations

import io
import mmap
import struct
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from penstock.datasets.spilling import piece_of
from penstock.datasets.tables import write_table
from penstock.features.timelines import COUNT, Features, Integers, Rows, Timeline, index_of
from penstock.lineage.ports import Writing

_AT_ONCE = 1 << 14
"""Records that are put together or taken apart at once, so that they stay near the processor."""
_NUMBER = "row"
"""The field of the number of a row in the view."""
_length = struct.Struct("<Q")
_PLAIN = {
    pl.Int8: "<i1", pl.Int16: "<i2", pl.Int32: "<i4", pl.Int64: "<i8", pl.UInt8: "<u1", pl.UInt16: "<u2",
    pl.UInt32: "<u4", pl.UInt64: "<u8", pl.Float32: "<f4", pl.Float64: "<f8", pl.Boolean: "?", pl.Date: "<i4",
    pl.Datetime: "<i8", pl.Duration: "<i8", pl.Time: "<i8",
}  # fmt: skip
"""The types whose values all have so many bytes, as NumPy has them."""


class _Contents(msgspec.Struct, frozen=True, kw_only=True):
    """What a file holds: `nulls` are the columns of records that have some, `ends` where each part ends.

    A part that there is not has no length. A piece of the features of other types has `piece` rows.
    """

    rows: int
    nulls: list[str]
    piece: int
    ends: list[int]


class Sections(NamedTuple):
    """What a file is written of: `entities` with `COUNT`, and the rest in parts, one after another.

    `known` and `shown` are None where a timeline has none of its own; `others` have the rows of the view in
    its order, `piece_of(schema)` at once.
    """

    schema: pl.Schema
    nulls: Sequence[str]
    entities: pl.DataFrame
    event: Iterable[Integers]
    known: Iterable[Integers] | None
    shown: Iterable[Integers] | None
    records: Iterable[NDArray[np.void]]
    others: Iterable[pl.DataFrame]


def write_timeline(timeline: Timeline[Rows], file: Writing) -> None:
    """Write a timeline to a file. The same one gives the same bytes.

    Raises PolarsError for values that Arrow does not know, such as Python objects.
    """
    rows = timeline.features
    plain, others = split(rows.schema)
    nulls = [name for name in plain if rows.table[name].null_count()]
    dtype = record(rows.schema, nulls)
    records = records_of(rows.table, np.arange(rows.table.height), dtype, nulls)
    own = timeline.known is not timeline.event
    sections = Sections(
        schema=rows.schema,
        nulls=nulls,
        entities=timeline.entities.with_columns(pl.Series(COUNT, timeline.counts)),
        event=[timeline.event],
        known=[timeline.known] if own else None,
        shown=None if timeline.shown is None else [timeline.shown],
        records=_in_order(records, rows.order.to_numpy()),
        others=rows.table.select(others).iter_slices(piece_of(rows.schema)) if others else (),
    )
    write_sections(sections, file)


def write_sections(sections: Sections, file: Writing) -> None:
    """Write a timeline that may be larger than memory. Raises as `write_timeline`."""
    ends = [0]

    def write(pieces: Iterable[object]) -> None:
        ends.append(ends[-1] + sum(file.write(piece) for piece in pieces))

    for times in (sections.event, sections.known, sections.shown):
        write(np.ascontiguousarray(some, "<i8") for some in times or ())
    write(some.view(np.uint8) for some in sections.records)
    write([_as_bytes(sections.entities)])
    write([_as_bytes(sections.schema.to_frame())])
    for piece in sections.others:
        write([_as_bytes(piece)])
    contents = _Contents(
        rows=int(sections.entities[COUNT].sum()),
        nulls=list(sections.nulls),
        piece=piece_of(sections.schema),
        ends=ends[1:],
    )
    told = msgspec.json.encode(contents)
    write([told, _length.pack(len(told))])


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
    entities, empty = (
        pl.read_ipc(io.BytesIO(data[start:end]))
        for start, end in zip(starts[4:6], found.ends[4:6], strict=True)
    )
    if event is None:
        event = np.empty(0, np.int64)
    return Timeline(
        entities,
        event,
        event if known is None else known,
        shown,
        _Kept(data, found, empty.schema),
    )


class _Kept:
    """The features of a timeline that lies in a mapped file."""

    def __init__(self, data: mmap.mmap, found: _Contents, schema: pl.Schema) -> None:
        self._data = data
        self._found = found
        self._nulls = set(found.nulls)
        self._dtype = record(schema, found.nulls)
        self.schema = schema

    def take(self, places: Integers) -> pl.DataFrame:
        """See `Features`."""
        fields = self._fields(places)
        there = places >= 0
        plain, others = split(self.schema)
        made = {name: self._plain(name, str(number), fields, there) for number, name in enumerate(plain)}
        if others:
            numbers = np.where(there, fields[_NUMBER], -1)
            made |= {each.name: each for each in self._others(numbers, others)}
        # The pages that were read would count as this process's memory for as long as the file is mapped.
        self._data.madvise(mmap.MADV_DONTNEED)
        return pl.DataFrame([made[name] for name in self.schema])

    def _fields(self, places: Integers) -> dict[str, NDArray[Any]]:
        """The fields of the records at some places, by their names; whatever where a place is -1."""
        dtype, names = self._dtype, self._dtype.names or ()
        columns = {name: np.zeros(len(places), dtype[name]) for name in names}
        if self._found.rows and names:
            records = np.frombuffer(self._data, dtype, self._found.rows, self._found.ends[2])
            for start in range(0, len(places), _AT_ONCE):
                some = slice(start, start + _AT_ONCE)
                part = taken(records, places[some])
                for name, column in columns.items():
                    column[some] = part[name]
        return columns

    def _plain(
        self, name: str, field: str, fields: dict[str, NDArray[Any]], there: NDArray[np.bool_]
    ) -> pl.Series:
        if name in self._nulls:
            there = there & ~fields[_null(field)]
        values = pl.Series(name, fields[field]).cast(self.schema[name])
        return values if there.all() else values.set(pl.Series(~there), None)

    def _others(self, numbers: Integers, names: Sequence[str]) -> pl.DataFrame:
        """The features of other types of m rows by their numbers, null where one is -1; piece by piece."""
        asked = np.flatnonzero(numbers >= 0)
        piece = numbers[asked] // self._found.piece
        order = np.argsort(piece, kind="stable")
        asked, piece = asked[order], piece[order]
        found = [self.schema.to_frame().select(names)]
        for rows in np.split(asked, np.flatnonzero(np.diff(piece)) + 1):
            if len(rows):
                number = int(numbers[rows[0]]) // self._found.piece
                start, end = self._found.ends[5 + number : 7 + number]
                table = pl.read_ipc(io.BytesIO(self._data[start:end]))
                found.append(table[numbers[rows] - number * self._found.piece])
        place = np.full(len(numbers), -1)
        place[asked] = np.arange(len(asked))
        return pl.concat(found).select(pl.all().gather(index_of(place)))


def split(schema: pl.Schema) -> tuple[list[str], list[str]]:
    """The columns that are put into records, and the others."""
    plain = {name: dtype for name, dtype in schema.items() if dtype.base_type() in _PLAIN}
    return list(plain), [name for name in schema if name not in plain]


def record(schema: pl.Schema, nulls: Sequence[str]) -> np.dtype[np.void]:
    """A record's fields: columns by their number, whether they are null, and the number of the row."""
    plain, others = split(schema)
    having = set(nulls)
    fields = [(str(number), _PLAIN[schema[name].base_type()]) for number, name in enumerate(plain)]
    fields += [(_null(str(number)), "?") for number, name in enumerate(plain) if name in having]
    return np.dtype(fields + ([(_NUMBER, "<i8")] if others else []))


def _null(field: str) -> str:
    return f"{field} is null"


def records_of(
    rows: pl.DataFrame, numbers: Integers, dtype: np.dtype[np.void], nulls: Sequence[str]
) -> NDArray[np.void]:
    """The records of n rows, in their order; `numbers` are those of the rows in the view, shape (n,).

    They are put together in the order of a table and then taken in that of a timeline: to gather a record
    is one look into memory, to gather its columns one look for each.
    """
    schema, having = rows.schema, set(nulls)
    plain, _ = split(schema)
    fields: dict[str, pl.Expr | pl.Series] = {
        str(number): pl.col(name).to_physical() for number, name in enumerate(plain)
    }
    for number, name in enumerate(plain):
        if name in having:
            nothing = pl.lit(value=False) if schema[name] == pl.Boolean else pl.lit(0)
            fields[str(number)] = pl.col(name).to_physical().fill_null(nothing)
            fields[_null(str(number))] = pl.col(name).is_null()
    if _NUMBER in (dtype.names or ()):
        fields[_NUMBER] = pl.Series(numbers)
    records = np.empty(rows.height, dtype)
    if not fields:
        return records
    table = rows.select(**fields)
    for start in range(0, len(records), _AT_ONCE):
        part, into = table[start : start + _AT_ONCE], records[start : start + _AT_ONCE]
        for column in part:
            into[column.name] = column.to_numpy()
    return records


def _in_order(records: NDArray[np.void], order: NDArray[Any]) -> Iterator[NDArray[np.void]]:
    """The records in the order of a timeline; none where they hold nothing."""
    for start in range(0, len(order) if records.dtype.itemsize else 0, _AT_ONCE):
        yield taken(records, order[start : start + _AT_ONCE])


def taken(records: NDArray[np.void], places: NDArray[Any]) -> NDArray[np.void]:
    """The records at these places; copied as bytes, which is ten times faster than field by field."""
    return records.view(f"V{records.dtype.itemsize}").take(places).view(records.dtype)


def _as_bytes(table: pl.DataFrame) -> bytes:
    file = io.BytesIO()
    write_table(table, file)
    return file.getvalue()
