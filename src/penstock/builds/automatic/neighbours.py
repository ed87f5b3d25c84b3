"""Whether features depend on what is none of their business: rows of others, and the order of one moment."""

from __future__ import annotations

import polars as pl

from penstock.builds.automatic.verdicts import NotJudged
from penstock.builds.automatic.views import different, differs, joined
from penstock.features.views import FeatureView

ENTITIES = 300
ASKED = 1000
_AT_ONCE = 0.01
_MOMENTS = 3


def own_rows(view: FeatureView, rows: pl.DataFrame) -> None:
    """Compare the features of half of the entities when all rows are there, and when only theirs are.

    Raises AssertionError with the first difference.
    """
    source, entity = view.settings.source, list(view.settings.entity)
    if not set(entity) <= set(rows.columns):
        raise NotJudged("Its source does not have the columns of its entity.")
    entities = rows.select(entity).drop_nulls().unique().sort(entity)
    if entities.height < 2:
        raise NotJudged("There is only one entity.")
    half = entities.gather_every(2)
    own = rows.join(half, on=entity, how="semi", maintain_order="left")
    times = rows[source.event_time].drop_nulls()
    asked = half.head(ENTITIES)
    for place in range(1, _MOMENTS + 1):
        moment = times[place * (times.len() - 1) // _MOMENTS]
        spine = asked.with_columns(pl.lit(moment).cast(times.dtype).alias(source.event_time))
        alone, found = (joined(view, spine, table) for table in (own, rows))
        if difference := differs(alone, found):
            row, name = difference
            raise AssertionError(
                f"{view.settings.name} is of {', '.join(entity)}, but made of rows of others too: at "
                f"{moment} UTC "
                f"`{name}` of {asked.row(row)} is {found[name][row]}, and {alone[name][row]} when the rows "
                "of half of the others are gone. Expected only its own: look for an aggregation without "
                f'`.over("{entity[0]}")`, or over another column. If it is to compare with others, '
                "waive this and say so."
            )


def same_moment(view: FeatureView, rows: pl.DataFrame) -> None:
    """Compare the features when rows of the same moment come in the opposite order, which means nothing.

    Raises AssertionError when one in a hundred differs.
    """
    source, entity = view.settings.source, list(view.settings.entity)
    if not set(entity) <= set(rows.columns):
        raise NotJudged("Its source does not have the columns of its entity.")
    turned = rows.reverse().sort(source.event_time, maintain_order=True)
    spine = rows.drop_nulls([*entity, source.event_time]).select(*entity, source.event_time)
    spine = spine.gather_every(max(1, spine.height // ASKED))
    first, second = (joined(view, spine, table) for table in (rows, turned))
    for name in [name for name in first.columns if name not in spine.columns]:
        others = different(first[name], second[name]).arg_true()
        if others.len() > max(1, _AT_ONCE * spine.height):
            row = others[0]
            raise AssertionError(
                f"{view.settings.name} depends on the order of rows of one moment: in {others.len()} of "
                f"{spine.height} places `{name}` is another when it is turned round, as for "
                f"{spine.row(row)}: "
                f"{first[name][row]} and {second[name][row]}. Expected the same: sort by what tells those "
                "rows "
                "apart, or aggregate them first."
            )
