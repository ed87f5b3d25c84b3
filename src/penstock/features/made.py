"""What a feature view makes of the rows of its source, for training and for the online store alike."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from copy import copy

import polars as pl

from penstock.core.errors import InvalidValue
from penstock.core.words import meant
from penstock.datasets.columns import column_type
from penstock.datasets.types import Column
from penstock.features.timelines import Features, Rows, Timeline, timeline_of
from penstock.features.types import OnlineView, ViewSettings
from penstock.features.views import FeatureView


class Made:
    """The rows of a view, not computed yet, the name of their column of known times, and their features."""

    def __init__(self, view: FeatureView, table: pl.LazyFrame) -> None:
        """Call a view on the rows of its source.

        Raises InvalidValue when it fails, gives no lazy table, lacks an entity or the event time, or hides
        when a row was known.
        """
        self._view = view
        declared = view.settings
        with self.refused():
            self._rows = _lazy(view(table), declared.name)
            self.schema = self._rows.collect_schema()
            entity, moment = declared.entity, declared.source.event_time
            require_columns(self.schema.names(), (*entity, moment), f"The feature view {declared.name}")
            self.known = self._knowledge(table)
        for name in dict.fromkeys((moment, self.known)):
            if not isinstance(self.schema[name], pl.Datetime | pl.Date):
                raise InvalidValue(
                    what=f"The column `{name}` of the feature view {declared.name} is no time",
                    expected="the column of times as the source has it",
                    found=str(self.schema[name]),
                    fix="Leave it as it is in the view; what is made of it can be a column of another name.",
                )
        self.entity, self.moment = entity, moment
        made = [each.name for each in declared.aggregates]
        require_columns([*self.schema.names(), *made], declared.pii, f"The feature view {declared.name}")
        self.features = [name for name in self.schema if name not in {*entity, moment, self.known}]

    def only(self, rows: pl.LazyFrame) -> Made:
        """As if these of its rows were all."""
        some = copy(self)
        some._rows = rows  # noqa: SLF001 - its own
        return some

    def timeline(self) -> Timeline[Rows]:
        """All rows as a timeline. Raises InvalidValue when the view fails."""
        with self.refused():
            rows = self._rows.collect()
        return self.laid_out(rows)

    def pieces(self, rows: int) -> Iterator[pl.DataFrame]:
        """The rows in their order, so many at once but in the end. Raises InvalidValue as `timeline`."""
        with self.refused():
            yield from self._rows.collect_batches(chunk_size=rows, maintain_order=True)

    def laid_out(self, rows: pl.DataFrame) -> Timeline[Rows]:
        """Some of the rows as a timeline. Raises InvalidValue for values that cannot be laid out."""
        with self.refused():
            return timeline_of(rows, self.entity, self.moment, self.known, self.features)

    def _knowledge(self, table: pl.LazyFrame) -> str:
        """The name of the column that says when each of the view's rows was known."""
        source = self._view.settings.source
        if not source.known_time or source.known_time == source.event_time:
            return source.event_time
        if source.known_time in self.schema:
            return source.known_time
        later = pl.col(source.known_time) > pl.col(source.event_time)
        if table.select(later.any()).collect().item():
            raise InvalidValue(
                what=f"The feature view {self._view.settings.name} drops `{source.known_time}`, "
                f"though rows of {source.name} became known later than they happened.",
                fix="Keep that column in the view, so that no row is used before it was known.",
            )
        return source.event_time

    @contextmanager
    def refused(self) -> Iterator[None]:
        """Whatever Polars says in the block is said of the view, as InvalidValue."""
        try:
            yield
        except pl.exceptions.PolarsError as error:
            declared = self._view.settings
            raise InvalidValue(
                what=f"The feature view {declared.name} failed on the rows of {declared.source.name}",
                found=str(error).split("\n")[0],
            ) from error


def _lazy(made: object, view: str) -> pl.LazyFrame:
    if not isinstance(made, pl.LazyFrame):
        raise InvalidValue(
            what=f"The feature view {view} gives no rows",
            expected="a lazy table that is made of the one it is given",
            found=f"a {type(made).__name__}" if made is not None else "nothing",
            fix="Return rows.select(...) or the like, without .collect().",
        )
    return made


def view_of_inputs(view: ViewSettings, timeline: Timeline[Features], inputs: Collection[str]) -> OnlineView:
    """How those inputs of a model that are features of a view are read online, wherever it is deployed."""
    kinds = timeline.entities.schema
    made = [each.name for each in view.aggregates] or list(timeline.features.schema)
    return OnlineView(
        name=view.name,
        entity=tuple(Column(name=name, dtype=column_type(kinds[name])) for name in view.entity),
        features=tuple(name for name in made if name in inputs),
        ttl=view.ttl,
        required=view.required,
        aggregates=view.aggregates,
        pii=view.pii,
    )


def require_columns(columns: Sequence[str], wanted: Sequence[str], who: str) -> None:
    """Raises InvalidValue when one of the wanted columns is not there."""
    for name in wanted:
        if name not in columns:
            raise InvalidValue(what=f"{who} has no column `{name}`.", fix=meant(name, columns))
