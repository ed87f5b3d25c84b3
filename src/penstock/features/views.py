"""How a user declares a feature view."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from penstock.core.durations import duration
from penstock.core.errors import InvalidPipeline
from penstock.core.targets import target_of
from penstock.core.words import require_texts, texts
from penstock.datasets.types import Source
from penstock.features import queries
from penstock.features.aggregates import read_aggregates
from penstock.features.types import ViewSettings

if TYPE_CHECKING:
    import polars as pl

ViewFunction = Callable[["pl.LazyFrame"], "pl.LazyFrame"] | Callable[[], str]


class FeatureView:
    """A named function from source rows to features of an entity; called, it is that function.

    Of one that gives a query, it is what DuckDB answers to the query.
    """

    def __init__(self, function: ViewFunction, settings: ViewSettings) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.settings = settings

    def __call__(self, rows: pl.LazyFrame) -> pl.LazyFrame:
        """The features of these rows."""
        if self.settings.query:
            return queries.asked(self.settings.name, self.settings.query, rows)
        return self.function(rows)  # type: ignore[call-arg,return-value]  # it takes rows

    def __repr__(self) -> str:
        return f"<feature view {self.settings.target}>"


def feature_view(
    *,
    entity: str | tuple[str, ...] | list[str],
    source: Source,
    ttl: str = "",
    freshness: str = "",
    required: bool = False,
    aggregates: Mapping[str, str] | None = None,
    pii: str | tuple[str, ...] | list[str] = (),
    owner: str = "",
    tags: str | tuple[str, ...] | list[str] = (),
) -> Callable[[ViewFunction], FeatureView]:
    """Declare a function from the rows of `source` to features of `entity`, one or several columns.

    The function is given the rows that were known and gives a frame with the entity's columns, the
    source's event time, one column per feature and, if rows become known later than they happen,
    the known time. A function without parameters gives a query in place of the frame, which DuckDB is asked:
    SQL as text, in which the rows are called `rows`.
    A feature older than `ttl` (such as `"3h"`) counts as missing, in training and online.
    Where a release with the view is deployed, its online values are brought up to date every `freshness`.
    A request for a prediction may give the entity in place of the features: where nothing counts of it they
    are null, or the request is refused if the view is `required`.
    `aggregates`, such as `{"busy": "count over 1h", "delay": "mean(minutes) over 6h"}`, are features by their
    names, made of the events that the function gives.
    `pii` names columns that tell of people, features or of the entity: they are left out of the prediction
    log and of whatever else shows what a model was trained on or asked.
    `owner` and `tags` are what it is found by, as is the first line of the function's docstring.
    Raises InvalidPipeline for a function that cannot be found by its name, a wrong source or no entity.
    """
    if not isinstance(source, Source):
        raise InvalidPipeline(
            what="A feature view needs a source",
            expected="what `files(...)` gave",
            found=type(source).__name__,
        )
    require_texts("feature_view(...)", ttl=ttl, freshness=freshness, owner=owner)
    columns, personal, found_by = (
        texts("feature_view(...)", name, given)
        for name, given in (("entity", entity), ("pii", pii), ("tags", tags))
    )
    if not columns or not all(columns):
        raise InvalidPipeline(what="A feature view needs an entity.", fix="Name its column: entity=.")
    if source.undated:
        raise InvalidPipeline(
            what=f"A feature view of the source {source.name} cannot be read in time",
            expected="rows that say when they happened",
            found="a source without an event time",
            fix="Name the column with event_time=, or known_time=; write one if there is none.",
        )
    if aggregates and (own := {each.column for each in read_aggregates(aggregates)} & set(columns)):
        raise InvalidPipeline(
            what="A column of the entity is the same in all of its events, and cannot be aggregated",
            found=", ".join(sorted(own)),
        )
    if aggregates and ttl:
        raise InvalidPipeline(
            what="A feature view with aggregates has no time-to-live",
            expected="a span in each of them",
            found=f"ttl={ttl!r}",
        )
    seconds, often = (duration(span).total_seconds() if span else 0.0 for span in (ttl, freshness))

    def declare(function: ViewFunction) -> FeatureView:
        target = target_of(function, "feature view")
        name = target.partition(":")[2]
        told = (function.__doc__ or "").strip().split("\n")[0]
        settings = ViewSettings(
            name=name,
            target=target,
            entity=columns,
            source=source,
            ttl=seconds,
            freshness=often,
            required=required,
            aggregates=read_aggregates(aggregates or {}),
            pii=personal,
            query=queries.read_query(name, function),
            owner=owner,
            description=told,
            tags=found_by,
        )
        return FeatureView(function, settings)

    return declare
