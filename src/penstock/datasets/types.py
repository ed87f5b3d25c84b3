"""Nouns of datasets: sources, snapshots and profiles."""

from __future__ import annotations

from datetime import datetime

import msgspec


class Events(msgspec.Struct, frozen=True, tag="events"):
    """Rows that programs push; Penstock writes them to files under the source's path."""


class Sql(msgspec.Struct, frozen=True, kw_only=True, tag="sql"):
    """Rows of a database: of a `table`, or what a `query` selects; `url` is an address or a secret's name.

    `watermark` names a column that only grows, by which a run reads what is new since the one before.
    """

    url: str
    table: str = ""
    query: str = ""
    watermark: str = ""


class Delta(msgspec.Struct, frozen=True, kw_only=True, tag="delta"):
    """Rows of a Delta table, by default of its newest version; `url` may be a path in the data root."""

    url: str
    version: int | None = None


class Objects(msgspec.Struct, frozen=True, kw_only=True, tag="objects"):
    """Files at an address: an object, a folder or a pattern in an object store."""

    url: str


class Predictions(msgspec.Struct, frozen=True, kw_only=True, tag="predictions"):
    """What a model answered in an environment, by default that of the run, as far as labels are known."""

    model: str
    environment: str = ""


WRITTEN = "penstock.written"
"""The event time of rows that have none of their own: when their file was written."""


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Where rows come from: the files under `path` (CSV, JSON lines or Parquet), or what `kind` says.

    `event_time` names the column that says when a row happened (`WRITTEN` where there is none), `known_time`
    the column that says when it became known (the event time itself where it is empty),
    `key` the columns that identify a row. `path` is relative to the project's data root; of a
    source that lies elsewhere it is where a sample of its rows may lie.
    """

    name: str
    path: str
    event_time: str
    known_time: str = ""
    key: tuple[str, ...] = ()
    kind: Events | Sql | Delta | Objects | Predictions | msgspec.UnsetType = msgspec.UNSET

    @property
    def undated(self) -> bool:
        """Whether rows do not say when they happened."""
        return self.event_time == WRITTEN

    @property
    def named_by(self) -> tuple[str, ...]:
        """The columns by which people find a row again."""
        return self.key if self.undated else (*self.key, self.event_time)


class Level(msgspec.Struct, frozen=True, kw_only=True):
    """How much of a source was known at `as_of`: rows, bytes of files, and partitions with such rows.

    `newest` is the latest time at which one of the rows became known. `digest` is another once any file is.
    `unfinished` tells of files that cannot be read yet.
    """

    as_of: datetime
    rows: int
    bytes: int
    partitions: int
    newest: datetime | None
    digest: str
    unfinished: tuple[str, ...] = ()


class Arrived(msgspec.Struct, frozen=True, kw_only=True):
    """What came into a source between two levels of it; `doubts` say that it shrank or its time went back.

    `version` is that of a table which has versions, as it is now.
    """

    rows: int
    bytes: int
    partitions: int
    newest: datetime | None
    changed: bool
    doubts: tuple[str, ...] = ()
    version: int | None = None


class Pushed(msgspec.Struct, frozen=True, kw_only=True):
    """What became of rows that were pushed: `new`, `corrected` where another row of the key was there, and
    `known` that were there already, as they are, and changed nothing.
    """

    new: int
    corrected: int
    known: int


class Quarantined(msgspec.Struct, frozen=True, kw_only=True):
    """A row that is left out, or a file (`line` 0): which line of which file, what stood there, and why.

    Lines are counted from 1, with the heading of a CSV file; of Parquet files rows are counted.
    """

    file: str
    line: int
    column: str = ""
    value: str = ""
    why: str


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """A column and its type: `float`, `int`, `bool`, `string`, `time`, or `other` for lists and the like."""

    name: str
    dtype: str
    nullable: bool = False


LONGEST = 100
"""Characters of a value that statistics name: what is longer is no category, and may be somebody's words."""


class ColumnProfile(msgspec.Struct, frozen=True, kw_only=True):
    """What a column held. Two profiles with the same `edges` merge by adding counts.

    Numbers: `edges` are E inner bin edges and `bins` the E + 1 counts between them.
    Categories: `edges` is empty and `top` maps the commonest values to counts: none that is longer than
    `LONGEST`, and where there are more than are kept none that only one row has.
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


class Products(msgspec.Struct, frozen=True, kw_only=True):
    """What C columns of numbers have in common, as sums over rows, which merge (see `datasets.pairs`).

    Of 1 and the ranks of each column, `sums` are those of the products of every two: little-endian float64,
    shape (C + 1, C + 1), the upper triangle row by row.
    """

    names: tuple[str, ...]
    sums: bytes


class TextProfile(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the texts of a column were about, as sums over `rows`, which merge (see `datasets.texts`).

    `sums` are those of the numbers that texts become, `length` counts their words. `words` are the commonest
    of the reference, and `new` the commonest others, each with how many of the texts have it.
    """

    name: str
    rows: int
    sums: tuple[float, ...] = ()
    length: int = 0
    words: dict[str, int] = {}
    new: dict[str, int] = {}


class Profile(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The compact statistics of a table. `products` are there where it was asked how columns go together,
    `texts` tell more of those columns that hold text.
    """

    rows: int
    columns: tuple[ColumnProfile, ...]
    products: Products | None = None
    texts: tuple[TextProfile, ...] = ()


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

    `digest` names the rows as an Arrow IPC file in the blob store; `quarantine` what was left out and why, as
    a JSON list of `Quarantined`, empty where nothing was, `profile` what the rows were (a
    `datasets.sketches.Sketch` as MessagePack). `expected` rules were asked of it, and `unexpected` tells of
    those that did not hold and only warn.
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
    quarantine: str = ""
    profile: str = ""
    expected: int = 0
    unexpected: tuple[str, ...] = ()
