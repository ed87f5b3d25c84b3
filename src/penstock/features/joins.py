"""The point-in-time join: for each row, what was known of its entities at its moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import polars as pl

from penstock.core.errors import InvalidValue
from penstock.features.made import Made, require_columns
from penstock.features.partitions import by_parts
from penstock.features.timelines import BEFORE_ALL, Features, Integers, Rows, Timeline, index_of
from penstock.features.types import ViewSettings
from penstock.features.views import FeatureView
from penstock.features.windows import windowed

Timelines = Mapping[str, Sequence[Timeline[Features]]]
"""What views made, by name: laid out as one timeline, or as so many parts by entity."""
AT_ONCE = 1 << 24
"""Values of a view that are held in memory at once: 128 megabytes of numbers."""
_MOST = 3
"""Times as many rows as the spine has that are gathered of the parts of a view before some are let go."""


def join(
    spine: pl.DataFrame,
    event_time: str,
    views: Sequence[FeatureView],
    tables: Mapping[str, pl.LazyFrame],
    timelines: Timelines | None = None,
) -> pl.DataFrame:
    """The spine with the features of each view added, in the order of the spine.

    A row at moment T gets, per view, the values of the newest event of its entity with event time
    at most T and known time at most T; of events at the same time the one known last counts.
    They are null when there is none, when it is older than the view's time-to-live, or when an
    entity column is null. `tables` maps the name of each view's source to its rows, as `datasets.read`
    gives them; they are read part by part, so that a view which keeps rows apart from each other may be
    larger than memory. Of the views in `timelines` these are taken. The spine's `event_time` is in UTC.
    Raises InvalidValue when columns are missing, of different types, or there twice.
    """
    moments = _moments(spine, event_time)
    for view in views:
        declared = view.settings
        need = f"The feature view {declared.name} is joined by its entity, but a row"
        require_columns(spine.columns, (event_time, *declared.entity), need)
        kept = timelines.get(declared.name) if timelines else None
        if kept is None and declared.aggregates:
            kept = (Made(view, tables[declared.source.name]).timeline(),)
        if kept is None:
            features = _best(spine, moments, view, tables[declared.source.name])
        else:
            asked = spine.select(list(dict.fromkeys((event_time, *declared.entity))))
            features = by_parts(
                asked, kept, partial(_entities, declared), partial(_found, declared, event_time)
            )
        twice = sorted(set(features.columns) & set(spine.columns))
        if twice:
            raise InvalidValue(
                what=f"The feature view {declared.name} gives columns that the rows already have",
                found=", ".join(twice),
                fix="Rename them in the view.",
            )
        spine = spine.hstack(features)
    return spine


def _entities(view: ViewSettings, spine: pl.DataFrame, timeline: Timeline[Features]) -> pl.DataFrame:
    return entities_of(spine, timeline.entities.schema, view)


def _found(
    view: ViewSettings, event_time: str, spine: pl.DataFrame, timeline: Timeline[Features]
) -> pl.DataFrame:
    """The features of a view, one row per row of the spine, from its timeline or a part of it."""
    if view.aggregates:
        return windowed(spine, event_time, view, timeline)
    places = timeline.places(_entities(view, spine, timeline), _moments(spine, event_time), view.ttl)
    return timeline.features.take(places)


def _moments(spine: pl.DataFrame, event_time: str) -> Integers:
    return spine[event_time].cast(pl.Datetime("us", "UTC")).to_physical().fill_null(BEFORE_ALL).to_numpy()


def _best(spine: pl.DataFrame, moments: Integers, view: FeatureView, table: pl.LazyFrame) -> pl.DataFrame:
    """The features of a view, one row per row of the spine: the best of the best of its pieces."""
    made = Made(view, table)
    entities = entities_of(spine, made.schema, view.settings)
    best = _Best(spine.height, made.laid_out(made.schema.to_frame()))
    for piece in made.pieces(max(1, AT_ONCE // len(made.schema))):
        able = _in_reach(piece[made.moment], moments, view.settings.ttl)
        asked = entities[able]
        # Most rows of a piece are those of entities that nobody asks for at a time when they may count.
        own = piece.join(asked.unique(), on=asked.columns, how="semi", maintain_order="left")
        part = made.laid_out(own)
        places = np.full(spine.height, -1)
        places[able] = part.places(asked, moments[able], view.settings.ttl)
        best.consider(part, places)
    return best.features()


def _in_reach(times: pl.Series, moments: Integers, ttl: float) -> Integers:
    """The places of the moments that may see a row of these event times."""
    event = times.cast(pl.Datetime("us", "UTC")).to_physical().drop_nulls().to_numpy()
    if not len(event):
        return np.empty(0, np.int64)
    able = moments >= event.min()
    if ttl:
        able &= moments <= event.max() + round(ttl * 1e6)
    return np.flatnonzero(able)


class _Best:
    """For each of n rows the event that counts, of the parts that were considered so far."""

    def __init__(self, height: int, empty: Timeline[Rows]) -> None:
        self._event = np.full(height, BEFORE_ALL)
        self._known = np.full(height, BEFORE_ALL)
        self._place = np.full(height, -1)
        self._pieces = [empty.features.table]
        self._held = 0

    def consider(self, part: Timeline[Features], places: Integers) -> None:
        """Take the rows at these places of a part where they count for more than what is there."""
        rows = np.flatnonzero(places >= 0)
        places = places[rows]
        event, known = part.event[places], part.known[places]
        newer = event > self._event[rows]
        newer |= (event == self._event[rows]) & (known >= self._known[rows])  # of equal ones, the last
        rows, places = rows[newer], places[newer]
        self._event[rows], self._known[rows] = event[newer], known[newer]
        self._place[rows] = np.arange(self._held, self._held + len(rows))
        self._pieces.append(part.features.take(places))
        self._held += len(rows)
        if self._held > _MOST * len(self._place):
            self._let_go()

    def features(self) -> pl.DataFrame:
        """The features of all rows."""
        return pl.concat(self._pieces).select(pl.all().gather(index_of(self._place)))

    def _let_go(self) -> None:
        found = self._place >= 0
        self._pieces = [pl.concat(self._pieces)[self._place[found]]]
        self._held = int(found.sum())
        self._place[found] = np.arange(self._held)


def entities_of(spine: pl.DataFrame, own: pl.Schema, view: ViewSettings) -> pl.DataFrame:
    """The entities of the spine in the types that they have in a view. Raises InvalidValue."""
    for name in view.entity:
        wanted, found = spine.schema[name], own[name]
        if wanted != found and not (wanted.is_integer() and found.is_integer()):
            raise InvalidValue(
                what=f"The entity column `{name}` of the feature view {view.name} cannot be joined",
                expected=f"{wanted} as in the rows",
                found=str(found),
                fix=f"Make them of one type in the view, such as pl.col({name!r}).cast(pl.{wanted}).",
            )
    return spine.select(pl.col(name).cast(own[name], strict=False) for name in view.entity)
