"""A sample of a project's rows, small enough to train on again and again within a build."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import msgspec
import polars as pl

from penstock.core.durations import duration
from penstock.datasets import read
from penstock.datasets.types import Source
from penstock.features.cutting import cut_of, held_out, marks_in
from penstock.features.types import RowsSettings
from penstock.pipelines.types import Graph

MOST = 100_000
"""Rows that are taken of a source from which only features are made."""


class Sample(NamedTuple):
    """Rows by the names of their sources: those to train on thinned out, and `whole` as they were read."""

    tables: dict[str, pl.DataFrame]
    whole: dict[str, pl.DataFrame]


def sources_of(graph: Graph) -> list[Source]:
    """The sources that a pipeline reads."""
    return [
        msgspec.convert(node.settings["source"], Source) for node in graph.nodes if node.kind == "snapshot"
    ]


def asked_rows(graph: Graph) -> list[RowsSettings]:
    """The training rows that a pipeline asks for."""
    return [msgspec.convert(node.settings, RowsSettings) for node in graph.nodes if node.kind == "rows"]


def sample(graph: Graph, root: Path, as_of: datetime, rows: int) -> Sample:
    """For each source of a pipeline some of its rows that were known at `as_of`, in order of event time.

    Of the rows to train on, at most `rows` before the holdout and half as many in it, spread evenly over
    time; of other sources the newest `MOST`. Raises NotFound or InvalidValue.
    """
    spines = {asked.source.name: asked for asked in asked_rows(graph)}
    whole, tables = {}, {}
    for source in sources_of(graph):
        table = read(source, root, as_of).collect()
        if source.name in spines:
            whole[source.name], tables[source.name] = _to_train_on(spines[source.name], table, rows)
        else:
            whole[source.name] = tables[source.name] = table.tail(MOST)
    return Sample(tables, whole)


def _to_train_on(asked: RowsSettings, table: pl.DataFrame, rows: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows in the span, and the sample of them."""
    time = asked.source.event_time
    moment = pl.col(time)
    labelled = table.filter(pl.col(asked.label).is_not_null()) if asked.label in table.columns else table
    if labelled.is_empty():
        return table, table.head(rows)
    newest: datetime = labelled[time][-1]
    if asked.span:
        table, labelled = (each.filter(moment > newest - duration(asked.span)) for each in (table, labelled))
    cut = cut_of(asked, labelled[time], marks_in(labelled, asked))
    held = held_out(table[time], cut, marks_in(table, asked))
    parts = table.filter(~held), table.filter(held)
    return table, pl.concat([_thinned(parts[0], rows), _thinned(parts[1], rows // 2)])


def _thinned(table: pl.DataFrame, most: int) -> pl.DataFrame:
    if table.height <= most:
        return table
    return table[[index * table.height // most for index in range(most)]]
