"""Nouns of datasets: sources, snapshots and profiles."""

from __future__ import annotations

from datetime import datetime

import msgspec


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Where rows come from: the files under `path` (CSV, JSON lines or Parquet).

    `event_time` names the column that says when a row happened, `known_time` the column
    that says when it became known (the event time itself where it is empty),
    `key` the columns that identify a row. `path` is relative to the project's data root.
    """

    name: str
    path: str
    event_time: str
    known_time: str = ""
    key: tuple[str, ...] = ()


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """A column and its type: `float`, `int`, `bool`, `string`, `time`, or `other` for lists and the like."""

    name: str
    dtype: str
    nullable: bool = False


class ColumnProfile(msgspec.Struct, frozen=True, kw_only=True):
    """What a column held. Two profiles with the same `edges` merge by adding counts.

    Numbers: `edges` are E inner bin edges and `bins` the E + 1 counts between them.
    Categories: `edges` is empty and `top` maps the commonest values to counts.
    """

    name: str
    dtype: str
    count: int
    nulls: int
    mean: float = 0.0
    std: float = 0.0
    low: float = 0.0
    high: float = 0.0
    edges: tuple[float, ...] = ()
    bins: tuple[int, ...] = ()
    top: dict[str, int] = {}
    other: int = 0


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """The compact statistics of a table."""

    rows: int
    columns: tuple[ColumnProfile, ...]


class Prior(msgspec.Struct, frozen=True, kw_only=True):
    """What the label was in the training rows, which is all that a trivial baseline knows.

    `counts` are by the label as text, of at most 100 values; a label with more of them, or that is a number,
    has `mean` and `median`.
    """

    rows: int
    mean: float | None = None
    median: float | None = None
    counts: dict[str, int] = {}


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """What a run read from a source: rows known at `as_of`, in a range of event time.

    `digest` names the rows as an Arrow IPC file in the blob store.
    """

    id: str
    source: str
    as_of: datetime
    first: datetime | None
    last: datetime | None
    rows: int
    quarantined: int
    columns: tuple[Column, ...]
    digest: str
