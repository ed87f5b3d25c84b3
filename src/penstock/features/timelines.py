"""Timelines: the rows of a feature view, entity by entity, in the order in which they came into sight."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Generic, Protocol, TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

Integers = NDArray[np.int64]
COUNT = "penstock.count"
"""The column that says how many rows of a timeline are an entity's."""
_ROW, _EVENT, _KNOWN, _RANK = "penstock.row", "penstock.event", "penstock.known", "penstock.rank"
_MICROSECONDS = pl.Datetime("us", "UTC")
BEFORE_ALL = np.iinfo(np.int64).min
"""A moment at which nothing is in sight."""


class Features(Protocol):
    """The features of the n rows of a timeline."""

    @property
    def schema(self) -> pl.Schema:
        """Their names and types."""
        ...

    def take(self, places: Integers) -> pl.DataFrame:
        """Those of the rows at m places, one row for each; null where a place is -1."""
        ...


F_co = TypeVar("F_co", bound=Features, covariant=True)


class Timeline(Generic[F_co]):
    """n rows of a view, those of an entity together, in the order in which they came into sight.

    `entities` has a row per entity: its columns, and `COUNT`. `event` and `known` are microseconds since
    1970, shape (n,); both are one where rows are known when they happen. `shown` are the places of the rows
    that count once the row at a place is in sight, shape (n,): None where that is always this row, as it is
    unless a row came late.
    """

    def __init__(
        self,
        entities: pl.DataFrame,
        event: Integers,
        known: Integers,
        shown: Integers | None,
        features: F_co,
    ) -> None:
        self.entities = entities.drop(COUNT)
        self.counts = entities[COUNT].to_numpy()
        self.event = event
        self.known = known
        self.shown = shown
        self.features = features
        self._ends = np.concatenate([[0], np.cumsum(self.counts, dtype=np.int64), [len(event)]])

    def sight(self, places: Integers) -> Integers:
        """From when on the rows at these places may count; places after the last row stand for that."""
        event = self.event.take(places, mode="clip")
        return event if self.shown is None else np.maximum(event, self.known.take(places, mode="clip"))

    def portions(self, most: int) -> Iterator[tuple[int, int]]:
        """The first entity and the one after the last of portions of about `most` rows; one at least."""
        first = 0
        for end in portions(self.counts, most):
            yield first, end
            first = end
        if not first:
            yield 0, 0

    def rows_of(self, first: int, end: int) -> Integers:
        """The places of the rows of the entities from `first` to before `end`."""
        return np.arange(self._ends[first], self._ends[end])

    def newest(self) -> Integers:
        """The place of the row of each entity that counts when all rows are in sight."""
        last = self._ends[1:-1] - 1
        return last if self.shown is None else self.shown[last]

    def places(self, entities: pl.DataFrame, moments: Integers, ttl: float) -> Integers:
        """For each of m entities the place of the row that counts at its moment, -1 where there is none.

        `entities` has the columns of this timeline's, of types that can be compared. A row older than `ttl`
        seconds, where that is not 0, does not count. Steps of halving length find the last row in sight, for
        all entities at once (Shar's method: J. Bentley, Programming Pearls, 1986, column 8).
        """
        if not len(self.event):
            return np.full(len(moments), -1)
        owner = self._owners(entities)
        first, end = self._ends[owner], self._ends[owner + 1]
        place = first.copy()
        step = 1 << int(self.counts.max()).bit_length() >> 1
        while step:
            probe = place + (step - 1)
            within = probe < end
            within &= self.sight(probe) <= moments
            place += step * within
            step >>= 1
        place -= 1
        found = place >= first
        if self.shown is not None:
            place = self.shown[place]
        if ttl:
            found &= moments - self.event[place] <= round(ttl * 1e6)
        return np.where(found, place, -1)

    def _owners(self, entities: pl.DataFrame) -> NDArray[np.intp]:
        """The number of each entity here; the number after the last where it is not."""
        names = self.entities.columns
        numbered = self.entities.with_row_index(_ROW)
        found = entities.join(numbered, on=names, how="left", maintain_order="left")[_ROW]
        return found.fill_null(self.entities.height).to_numpy().astype(np.intp)


def portions(counts: Integers, most: int) -> Iterator[int]:
    """Where portions of entities end that have about `most` rows together, and one entity at least."""
    ends = np.cumsum(counts, dtype=np.int64)
    first, before = 0, 0
    while first < len(ends):
        first = max(first + 1, int(np.searchsorted(ends, before + most, side="right")))
        before = int(ends[first - 1])
        yield first


class Rows:
    """The features of rows that lie in a table in another order."""

    def __init__(self, table: pl.DataFrame, order: pl.Series) -> None:
        self.table = table
        self.order = order
        self.schema = table.schema

    def take(self, places: Integers) -> pl.DataFrame:
        """See `Features`."""
        return self.table.select(pl.all().gather(self.order.gather(index_of(places))))


def index_of(places: Integers) -> pl.Series:
    """Places as Polars takes them: null for -1."""
    index = pl.Series(places)
    return index.set(index < 0, None)


def timeline_of(
    rows: pl.DataFrame, entity: Sequence[str], moment: str, known: str, features: Sequence[str]
) -> Timeline[Rows]:
    """The timeline of a view's rows; those without an entity or a time are left out.

    `moment` and `known` name the columns of the event time and of the known time, which may be one.
    """
    happened = rows[moment].cast(_MICROSECONDS).to_physical().alias(_EVENT)
    told = happened if known == moment else rows[known].cast(_MICROSECONDS).to_physical()
    number = pl.int_range(rows.height, dtype=pl.UInt32, eager=True).alias(_ROW)
    keys = pl.DataFrame([number, *(rows[name] for name in entity), happened, told.alias(_KNOWN)])
    if any(keys[name].null_count() for name in (*entity, _EVENT, _KNOWN)):
        keys = keys.drop_nulls()
    own = known != moment and bool((keys[_KNOWN] != keys[_EVENT]).any())
    late = own and bool((keys[_KNOWN] > keys[_EVENT]).any())
    if not _in_order(keys, own=own):
        keys = keys.sort(_EVENT, _KNOWN, maintain_order=True)
    if late:  # an event is in sight from the later of its two times on
        keys = keys.with_row_index(_RANK).sort(pl.max_horizontal(_EVENT, _KNOWN), maintain_order=True)
    kept = [name for name in keys.columns if name not in entity and (own or name != _KNOWN)]
    grouped = keys.group_by(entity, maintain_order=True).agg(*kept, pl.len().alias(COUNT))
    inside = {name: grouped[name].explode(empty_as_null=False) for name in kept}
    event = inside[_EVENT].to_numpy()
    known_at = inside[_KNOWN].to_numpy() if own else event
    counts = grouped[COUNT].to_numpy()
    shown = _best_so_far(inside[_RANK].to_numpy().astype(np.int64), counts) if late else None
    whole = grouped.select(*entity, COUNT)
    return Timeline(whole, event, known_at, shown, Rows(rows.select(features), inside[_ROW]))


def _in_order(keys: pl.DataFrame, *, own: bool) -> bool:
    """Whether rows come in the order of what counts: by event time, and of one event time by known time."""
    if not own:
        return keys[_EVENT].is_sorted()
    event, known = (keys[name].to_numpy() for name in (_EVENT, _KNOWN))
    later, same = event[1:] > event[:-1], event[1:] == event[:-1]
    return bool((later | (same & (known[1:] >= known[:-1]))).all())


def _best_so_far(rank: Integers, counts: Integers) -> Integers:
    """For each place that of the highest rank up to it, among the rows of one entity."""
    height = len(rank)
    lift = np.repeat(np.arange(len(counts)) * height, counts)  # each entity's ranks above those before it
    best = np.maximum.accumulate(rank + lift) - lift
    place = np.empty(height, dtype=np.int64)
    place[rank] = np.arange(height)
    return place[best]
