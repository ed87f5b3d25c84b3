"""Nouns of the feature store."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from penstock.datasets.types import Column, Source

if TYPE_CHECKING:
    import polars as pl


class Aggregate(msgspec.Struct, frozen=True, kw_only=True):
    """A feature that is a number of the events of an entity in the `over` seconds before a moment: `of` is
    `count`, `sum`, `mean`, `min`, `max`, `last` or `distinct`, of a `column` or, for a count, of the events.
    """

    name: str
    of: str
    over: float
    column: str = ""


class Computed(msgspec.Struct, frozen=True, kw_only=True):
    """A feature that is computed of its own row: an SQL expression as `text`, and the columns it is `of`."""

    name: str
    text: str
    of: tuple[str, ...]


class ViewSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A feature view's declaration. `ttl` is in seconds, 0 for no limit; `freshness` is how many seconds its
    online values may lag behind the source, 0 where they are brought up to date only when somebody asks.
    `required` says that a model is not asked about an entity of which there is nothing that counts.
    Where there are `aggregates`, these are the features, and the rows are the events that they are of. A view
    that is written in SQL has its text as `query`. The columns in `pii` tell of people: what they hold is not
    kept beside the source and the online store.
    """

    name: str
    target: str
    entity: tuple[str, ...]
    source: Source
    ttl: float = 0.0
    freshness: float = 0.0
    required: bool = False
    aggregates: tuple[Aggregate, ...] = ()
    query: str = ""
    pii: tuple[str, ...] = ()
    owner: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()


def online_id(project: str, environment: str, view: str, version: str) -> str:
    """By what the online store knows a version of a feature view in an environment."""
    return f"{project}:{environment}:{view}:{version}"


class Placed(msgspec.Struct, frozen=True, kw_only=True):
    """A version of a feature view that is needed in an environment: the release there has it (`deployed`), or
    versions of models read it, the `readers`. `release` is one that has it.
    """

    project: str
    environment: str
    view: ViewSettings
    version: str
    release: str
    deployed: bool = True
    readers: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """The id of its Materialization, by which the online store knows it (see `online_id`)."""
        return online_id(self.project, self.environment, self.view.name, self.version)


class OnlineView(msgspec.Struct, frozen=True, kw_only=True):
    """A feature view as it is read online: its `id` in the online store (empty where it is not known yet),
    the columns of its entity, and the `features` that are wanted of it. `ttl`, `required`, `aggregates` and
    `pii` are those of its declaration; `version` is the one that a model was trained on.
    """

    id: str = ""
    name: str
    version: str = ""
    entity: tuple[Column, ...]
    features: tuple[str, ...]
    ttl: float = 0.0
    required: bool = False
    aggregates: tuple[Aggregate, ...] = ()
    pii: tuple[str, ...] = ()


class Origins(msgspec.Struct, frozen=True, kw_only=True):
    """Where those inputs of a model come from that a request need not give: read from `views` by an entity,
    or `computed` of columns `made_of`, which may be inputs themselves, features, or given for this alone.
    """

    views: tuple[OnlineView, ...] = ()
    computed: tuple[Computed, ...] = ()
    made_of: tuple[Column, ...] = ()

    @property
    def personal(self) -> frozenset[str]:
        """The columns that tell of people: those that views name, and what is computed of them."""
        named = {name for view in self.views for name in view.pii}
        return frozenset(named | {each.name for each in self.computed if not named.isdisjoint(each.of)})


class Materialization(msgspec.Struct, frozen=True, kw_only=True):
    """How far the online values of a version of a feature view in an environment are; `id` see `online_id`.

    `as_of` is the time at which the source was read for the values that are there, `table` the digest of all
    of them; `entity` and `features` are its columns. A `run` makes new ones; of these `loaded` rows of `rows`
    are there. `contents` is what the store was known by that they were written to.
    `asked` and `full`
    are what somebody wants next, and who that is `actor`.
    `error` says why the last attempt, which ended at `finished`, failed. Since `unneeded` nobody needs the
    values; once they are removed, `contents` is empty.
    """

    id: str
    project: str
    environment: str
    view: str
    version: str
    as_of: datetime | None = None
    table: str = ""
    entity: tuple[Column, ...] = ()
    features: tuple[Column, ...] = ()
    run: str = ""
    loaded: int = 0
    rows: int = 0
    asked: bool = False
    full: bool = False
    contents: str = ""
    actor: str = "penstock"
    error: str = ""
    finished: datetime | None = None
    unneeded: datetime | None = None
    event: int = 0


class Differing(msgspec.Struct, frozen=True, kw_only=True):
    """A value that a prediction read `online` of an entity at a time, and what training reads there."""

    key: dict[str, Any]
    time: datetime
    online: Any
    offline: Any


class ColumnSkew(msgspec.Struct, frozen=True, kw_only=True):
    """Of `rows` values of a feature that were read online so many are not what training reads at their
    moments: they were right when the store was filled (`stale`), or not even then (`differs`, with examples).
    """

    column: str
    rows: int
    differs: int
    stale: int
    examples: tuple[Differing, ...] = ()


class RowsSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Which rows to train on: those of a `span`, a duration back from the newest row, empty for all of them.

    The `holdout` is the last part of them: a duration, or a share of the rows such as `"20%"`. Of the span
    only rows count from the moment `since` on (as ISO 8601 writes it), or the last of it that are twice the
    holdout, whatever is more. `computed` are SQL expressions of the columns of a row, by the names of their
    features.
    """

    source: Source
    label: str
    holdout: str
    span: str = ""
    views: tuple[ViewSettings, ...] = ()
    computed: dict[str, str] = {}
    since: str = ""


class TrainingSet(NamedTuple):
    """Rows with their features and label, cut by time.

    `schema` is `{"columns": [...], "label": name, "examples": {column: [...]}}`: the columns are the
    inputs of a model (see `datasets.types.Column`) and the examples up to 500 rows of the holdout.
    """

    train: pl.DataFrame
    holdout: pl.DataFrame
    schema: dict[str, Any]
