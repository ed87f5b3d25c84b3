"""The check that a feature view does not see the future."""

from __future__ import annotations

import polars as pl

from penstock.datasets.columns import known
from penstock.features.joins import join
from penstock.features.views import FeatureView


def check_point_in_time(view: FeatureView, rows: pl.DataFrame, moments: int = 20) -> None:
    """Compare, at moments spread over the rows, the features from all rows with those from the past alone.

    `rows` are rows of the view's source with times in UTC. A view that looks ahead, such as one that
    subtracts the mean of a whole column, gives different values as soon as later rows are there.
    Raises AssertionError with the first difference.
    """
    source, entity = view.settings.source, list(view.settings.entity)
    times = rows[source.event_time].drop_nulls().unique().sort()
    entities = view(rows.lazy()).select(entity).drop_nulls().unique().sort(entity).collect()
    taken = min(moments, times.len())
    for moment in (times[index * times.len() // taken] for index in range(taken)):
        spine = entities.with_columns(pl.lit(moment).cast(times.dtype).alias(source.event_time))
        past = rows.filter(known(source, moment))
        honest, found = (
            join(spine, source.event_time, [view], {source.name: table.lazy()}) for table in (past, rows)
        )
        for name in honest.columns:
            differs = (honest[name].ne_missing(found[name])).arg_true()
            if differs.len():
                row = differs[0]
                raise AssertionError(
                    f"{view.settings.name} sees the future: at {moment} UTC `{name}` of {entities.row(row)} "
                    f"is {found[name][row]} with later rows and {honest[name][row]} without them"
                )
