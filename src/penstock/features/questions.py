"""What a model would have been asked, and what really happened: history as questions and labels."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
import polars as pl

from penstock.core.errors import InvalidValue
from penstock.core.words import meant
from penstock.features.computed import with_computed
from penstock.features.joins import join
from penstock.features.training import resolved_view
from penstock.features.types import RowsSettings

ID, TIME, VALUE, KNOWN = "penstock.id", "penstock.time", "penstock.value", "penstock.known"
"""Columns of the questions and of the labels."""


class History(NamedTuple):
    """`questions` in the order in which they were asked, and `labels` in that in which they became known.

    Questions have ID, TIME and the features as they were known then; labels have ID, KNOWN and VALUE. A
    question may have no label, or several: the last one counts.
    """

    questions: pl.DataFrame
    labels: pl.DataFrame


def history(settings: Mapping[str, Any], start: str, end: str, most: int, **tables: pl.DataFrame) -> History:
    """The rows of a source that happened in `start < t <= end`, as a model would have been asked of them.

    `settings` are the `RowsSettings` of the training rows as data, `tables` the rows of each source by its
    name. Of more than `most` rows every n-th asks. Raises InvalidValue where nothing is asked or has a label.
    """
    asked = msgspec.convert(settings, RowsSettings)
    source, rows = asked.source, tables[asked.source.name]
    if asked.label not in rows.columns:
        raise InvalidValue(
            what=f"The source {source.name} has no column `{asked.label}` for the label.",
            fix=meant(asked.label, rows.columns),
        )
    moment, known = source.event_time, source.known_time or source.event_time
    names = [pl.col(name).cast(pl.String) for name in source.key]
    named = rows.with_columns(
        (pl.concat_str(names, separator="/") if names else pl.int_range(pl.len()).cast(pl.String)).alias(ID)
    )
    since, until = datetime.fromisoformat(start), datetime.fromisoformat(end)
    within = named.filter(pl.col(moment) > since, pl.col(moment) <= until)
    first = within.sort(known, maintain_order=True).unique(ID, keep="first", maintain_order=True)
    ordered = first.sort(moment, ID)
    chosen = ordered.gather_every(max(1, math.ceil(ordered.height / most)))
    labels = (
        within.filter(pl.col(asked.label).is_not_null())
        .join(chosen.select(ID), on=ID, how="semi")
        .sort(known, maintain_order=True)
        .select(ID, pl.col(known).alias(KNOWN), pl.col(asked.label).alias(VALUE))
    )
    if labels.is_empty():
        raise InvalidValue(
            what=f"The source {source.name} has no labels from {since:%Y-%m-%d} to {until:%Y-%m-%d}",
            expected=f"rows of that time in which `{asked.label}` is not null",
            found=f"{within.height:,} rows without one" if within.height else "no rows at all",
            fix="Say another time with --from and --to.",
        )
    views = [resolved_view(view.target) for view in asked.views]
    lazy = {name: table.lazy() for name, table in tables.items()}
    aside = {asked.label, *((source.known_time,) if source.known_time != moment else ())}
    spine = chosen.drop(name for name in aside if name)
    joined = with_computed(join(spine, moment, views, lazy), asked.computed).rename({moment: TIME})
    return History(joined.drop(name for name in source.key if name in joined.columns), labels)
