"""Nouns of the feature store, as data that travels in a graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from penstock.datasets.types import Source

if TYPE_CHECKING:
    import polars as pl


class ViewSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A feature view's declaration. `ttl` is in seconds, 0 for no limit."""

    name: str
    target: str
    entity: tuple[str, ...]
    source: Source
    ttl: float = 0.0


class RowsSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Which rows to train on: `span` and `holdout` are durations back from the newest row.

    An empty `span` means all of history. The holdout is the last part of the span.
    """

    source: Source
    label: str
    holdout: str
    span: str = ""
    views: tuple[ViewSettings, ...] = ()


class TrainingSet(NamedTuple):
    """Rows with their features and label, cut by time.

    `schema` is `{"columns": [...], "label": name, "examples": {column: [...]}}`: the columns are the
    inputs of a model (see `datasets.types.Column`) and the examples up to 500 rows of the holdout.
    """

    train: pl.DataFrame
    holdout: pl.DataFrame
    schema: dict[str, Any]
