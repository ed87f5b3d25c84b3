"""Aggregates over the events of an entity in the span before a moment, exact at every moment.

A row of the view counts at a moment T if it happened in (T - span, T] and was known at T. Where the view's
rows have the columns of the source's key, a row no longer counts once a later one of that key is known.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl

from penstock.core.errors import InvalidValue
from penstock.features.aggregates import OF_NUMBERS
from penstock.features.latest import EVENT, KNOWN, require_kept
from penstock.features.made import require_columns
from penstock.features.records import TIMES
from penstock.features.timelines import BEFORE_ALL, Features, Integers, Timeline
from penstock.features.types import Aggregate, ViewSettings

MOST_PAIRS = 4_000_000
"""Pairs of a row and an event in its longest span that are held in memory at once."""
MOST_EVENTS = 1 << 24
"""Events that are held in memory at once: those of some entities after those of others."""
_ROW, _AT, _BY, _PLACE, _FIRST, _END = (
    f"penstock.{name}" for name in ("row", "at", "by", "place", "first", "end")
)
_UNTIL = "penstock.until"
"""The column that says when a correction of a row became known, null where none has."""
_MOMENT = pl.Datetime("us", "UTC")
_ZERO = ("count", "sum", "distinct")


def windowed(
    spine: pl.DataFrame,
    event_time: str,
    view: ViewSettings,
    timeline: Timeline[Features],
    by: str = "",
) -> pl.DataFrame:
    """The aggregates of a view at each row of the spine, in its order.

    What counts was known at the row's moment, or at that in its column `by`. Where nothing counts, counts and
    sums are 0 and the others null. Raises InvalidValue for entities of other types, a column that is not
    there, and an aggregate that wants numbers and has none.
    """
    moments = {_AT: event_time} | ({_BY: by} if by else {})
    times = [pl.col(column).cast(_MOMENT).alias(name) for name, column in moments.items()]
    rows = spine.select(*view.entity, *times).with_row_index(_ROW)
    longest = max(each.over for each in view.aggregates)
    parts = []
    for some in _events(view, timeline, _span(rows[_AT], longest)):
        events = _in_types_of(spine, some, view)
        own = rows.join(events.select(view.entity).unique(), on=list(view.entity), how="semi")
        pairs = _pairs(own, events, view.entity, longest)
        parts += [_aggregated(each, events, view.aggregates) for each in pairs]
    found = pl.concat(parts)
    zero = [pl.col(each.name).fill_null(0) for each in view.aggregates if each.of in _ZERO]
    joined = rows.select(_ROW).join(found, on=_ROW, how="left", maintain_order="left")
    return joined.drop(_ROW).with_columns(zero)


def tails(view: ViewSettings, timeline: Timeline[Features]) -> pl.DataFrame:
    """Of each entity the events that may count at its newest one or later, as the online store keeps them.

    Columns: the entity's; `EVENT` and `KNOWN`, both the time at which the last of them became known; `TIMES`,
    when they happened, in microseconds since 1970, and for each aggregated column its values. In the order of
    the entity's columns. Raises InvalidValue as `windowed`, and for columns that cannot be kept online.
    """
    longest = pl.duration(seconds=max(each.over for each in view.aggregates))
    parts = [_tails(view, events, longest) for events in _events(view, timeline)]
    return pl.concat(parts).sort(view.entity)


def _tails(view: ViewSettings, events: pl.DataFrame, longest: pl.Expr) -> pl.DataFrame:
    """Those of some entities."""
    columns = _columns(view.aggregates)
    require_kept(view, {name: events.schema[name] for name in (*view.entity, *columns)})
    return (
        events.filter(pl.col(_UNTIL).is_null())
        .with_columns(pl.col(KNOWN).max().over(view.entity))
        .filter(pl.col(EVENT) > pl.col(EVENT).max().over(view.entity) - longest)
        .group_by(view.entity, maintain_order=True)
        .agg(pl.col(KNOWN).first(), pl.col(EVENT).dt.epoch("us").alias(TIMES), *columns)
        .select(*view.entity, pl.col(KNOWN).alias(EVENT), KNOWN, TIMES, *columns)
    )


def types_of(aggregates: Sequence[Aggregate], kinds: pl.Schema) -> pl.Schema:
    """The types of aggregates of columns that are kept as `tails` has them."""
    inner = {name: kind.inner for name, kind in kinds.items() if isinstance(kind, pl.List)}
    nothing = pl.DataFrame(schema={**inner, EVENT: _MOMENT, _AT: _MOMENT})
    return nothing.select(_expression(each, nothing.schema) for each in aggregates).schema


def _span(moments: pl.Series, longest: float) -> tuple[int, int]:
    """The microseconds after the first of which, and until the last, events may count at these moments."""
    times = moments.to_physical().drop_nulls()
    if times.is_empty():
        return 0, 0
    return times.min() - round(longest * 1e6), times.max()  # type: ignore[operator, return-value]


def _events(
    view: ViewSettings, timeline: Timeline[Features], span: tuple[int, int] | None = None
) -> Iterator[pl.DataFrame]:
    """The events of a view in the order of entity, event time and known time; what is not finite is null.

    Of a `span` only those are given that happened after its beginning and until its end.

    Columns: `EVENT`, `KNOWN`, `_UNTIL`, the entity's, and those that are aggregated. They come in portions of
    about `MOST_EVENTS`, one at least, and those of an entity in one of them.
    """
    columns = _columns(view.aggregates)
    kinds = timeline.features.schema
    require_columns(list(kinds), columns, f"The feature view {view.name}")
    for each in view.aggregates:
        _check_numbers(each, kinds, view.name)
    until = _corrected(view, timeline)
    for first, end in timeline.portions(MOST_EVENTS):
        places, owners = _places(timeline, first, end)
        if span:
            within = (timeline.event[places] > span[0]) & (timeline.event[places] <= span[1])
            places, owners = places[within], owners[within]
        yield (
            _taken(view, timeline, places, owners, columns)
            .with_columns(until.gather(places))
            .with_columns(_finite(name) for name in columns if kinds[name].is_float())
            .sort(*view.entity, EVENT, KNOWN, maintain_order=True)
            .select(EVENT, KNOWN, _UNTIL, *view.entity, *columns)
        )


def _finite(name: str) -> pl.Expr:
    return pl.when(pl.col(name).is_finite()).then(pl.col(name))


def _places(timeline: Timeline[Features], first: int, end: int) -> tuple[Integers, Integers]:
    """The places of the rows of the entities from `first` to before `end`, and the number of each one's."""
    return timeline.rows_of(first, end), np.repeat(np.arange(first, end), timeline.counts[first:end])


def _taken(
    view: ViewSettings,
    timeline: Timeline[Features],
    places: Integers,
    owners: Integers,
    columns: Sequence[str],
) -> pl.DataFrame:
    """The rows at n places, which are those of n `owners`, in the order of the places.

    Columns: `EVENT`, `KNOWN`, the entity's, and those that are asked for.
    """
    times = [
        pl.Series(name, of[places]).cast(_MOMENT)
        for name, of in ((EVENT, timeline.event), (KNOWN, timeline.known))
    ]
    features = timeline.features.take(places).select(name for name in columns if name not in view.entity)
    return pl.DataFrame([*times, *timeline.entities.select(view.entity)[owners], *features])


def _corrected(view: ViewSettings, timeline: Timeline[Features]) -> pl.Series:
    """When a correction of each row became known, as `_UNTIL` in the order of the timeline.

    Rows of one key may be those of several entities, so that all keys are looked at, some after others.
    """
    key, height = view.source.key, len(timeline.event)
    until = np.full(height, BEFORE_ALL)
    if key and set(key) <= {*view.entity, *timeline.features.schema}:
        turns = height // MOST_EVENTS + 1
        for turn in range(turns):
            parts = [
                _taken(view, timeline, places, owners, key)
                .select(EVENT, KNOWN, *key, pl.Series(_PLACE, places))
                .drop_nulls(key)
                .filter(pl.struct(key).hash() % turns == turn)
                for places, owners in (_places(timeline, *each) for each in timeline.portions(MOST_EVENTS))
            ]
            found = pl.concat(parts).sort(KNOWN, EVENT, maintain_order=True)
            told = found.select(_PLACE, pl.col(KNOWN).shift(-1).over(key)).drop_nulls()
            until[told[_PLACE].to_numpy()] = told[KNOWN].to_physical().to_numpy()
    times = pl.Series(_UNTIL, until)
    return times.set(times == BEFORE_ALL, None).cast(_MOMENT)


def _pairs(
    rows: pl.DataFrame, events: pl.DataFrame, entity: Sequence[str], longest: float
) -> Iterator[pl.DataFrame]:
    """Each row with each event of its entity in (T - longest, T], as `_ROW`, `_AT`, `_PLACE` and, where
    there is one, `_BY`.

    They come in parts, one at least.
    """
    placed = (
        events.select(*entity, EVENT)
        .with_columns(pl.int_range(pl.len()).alias(_PLACE))
        .with_columns(pl.col(_PLACE).min().over(entity).alias(_FIRST))
        .sort(EVENT, maintain_order=True)
    )
    wanted = rows.drop_nulls().sort(_AT)
    last, before = (
        wanted.select(*entity, moment.alias(EVENT)).join_asof(
            placed, on=EVENT, by=list(entity), strategy="backward", check_sortedness=False
        )
        for moment in (pl.col(_AT), pl.col(_AT) - pl.duration(seconds=longest))
    )
    first = (before[_PLACE] + 1).fill_null(last[_FIRST])
    times = [name for name in (_AT, _BY) if name in wanted.columns]
    wanted = wanted.select(_ROW, *times, first.alias(_FIRST), last[_PLACE].alias(_END))
    wanted = wanted.filter(pl.col(_END) >= pl.col(_FIRST))
    count = (wanted[_END] - wanted[_FIRST] + 1).to_numpy()
    part = np.cumsum(count) // MOST_PAIRS
    for number in range(int(part[-1]) + 1 if len(part) else 1):
        own = part == number
        these, often = wanted.filter(pl.Series(own)), count[own]
        start = np.repeat(these[_FIRST].to_numpy(), often)
        within = np.arange(len(start)) - np.repeat(np.cumsum(often) - often, often)
        again = np.repeat(np.arange(these.height), often)
        yield these.select(_ROW, *times)[again].with_columns(pl.Series(_PLACE, start + within, pl.Int64))


def _aggregated(pairs: pl.DataFrame, events: pl.DataFrame, aggregates: Sequence[Aggregate]) -> pl.DataFrame:
    """The aggregates of each row with a pair, of the events that were known then and not corrected yet."""
    told = pairs.hstack(events[pairs[_PLACE]])
    moment = pl.col(_BY if _BY in pairs.columns else _AT)
    known = (pl.col(KNOWN) <= moment) & (pl.col(_UNTIL) > moment).fill_null(value=True)
    if _BY in pairs.columns:
        known &= pl.col(EVENT) <= moment
    return (
        told.lazy()
        .filter(known)
        .group_by(_ROW, maintain_order=True)
        .agg(_expression(each, events.schema) for each in aggregates)
        .collect()
    )


def _expression(each: Aggregate, kinds: pl.Schema) -> pl.Expr:
    values = pl.col(each.column or EVENT)
    if each.of in OF_NUMBERS:
        values = values.cast(pl.Float64 if kinds[each.column].is_float() else pl.Int64)
    values = values.filter(pl.col(_AT) - pl.col(EVENT) < pl.duration(seconds=each.over)).drop_nulls()
    match each.of:
        case "count":
            made = values.len().cast(pl.Int64)
        case "distinct":
            made = values.n_unique().cast(pl.Int64)
        case "last":
            made = values.last()
        case _:
            made = getattr(values, each.of)()
    return made.alias(each.name)


def _columns(aggregates: Sequence[Aggregate]) -> list[str]:
    return list(dict.fromkeys(each.column for each in aggregates if each.column))


def _check_numbers(each: Aggregate, kinds: pl.Schema, view: str) -> None:
    if each.of not in OF_NUMBERS:
        return
    kind = kinds[each.column]
    if not (kind.is_numeric() or kind == pl.Boolean):
        raise InvalidValue(
            what=f"The aggregate `{each.name}` of the feature view {view} is a {each.of} of no numbers",
            expected="a column of numbers or booleans",
            found=f"{kind} in `{each.column}`",
            fix="Make numbers of it in the view, or ask for its count, distinct or last.",
        )


def _in_types_of(spine: pl.DataFrame, events: pl.DataFrame, declared: ViewSettings) -> pl.DataFrame:
    """The events with entity columns of the types that they have in the spine."""
    for name in declared.entity:
        wanted, found = spine.schema[name], events.schema[name]
        if wanted != found and not (wanted.is_integer() and found.is_integer()):
            raise InvalidValue(
                what=f"The entity column `{name}` of the feature view {declared.name} cannot be joined",
                expected=f"{wanted} as in the rows",
                found=str(found),
                fix=f"Make them of one type in the view, such as pl.col({name!r}).cast(pl.{wanted}).",
            )
    # An entity too large for the spine's type is no row's: as null it meets none.
    kinds = {name: spine.schema[name] for name in declared.entity}
    return events.with_columns(pl.col(name).cast(kind, strict=False) for name, kind in kinds.items())
