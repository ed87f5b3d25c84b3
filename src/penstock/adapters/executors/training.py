"""Training rows as a worker makes them: at once, or put together of parts that others have made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import polars as pl

from penstock.adapters.formats.tables import write_parts
from penstock.adapters.formats.values import read, write
from penstock.datasets.spilling import HELD
from penstock.features.joins import Timelines
from penstock.features.keeping import read_timeline
from penstock.features.shares import PARTS, number_in
from penstock.features.training import schema_of, training_set
from penstock.lineage.ports import Blobs
from penstock.pipelines.features import timeline_of
from penstock.runs.lists import FORMAT as LIST
from penstock.runs.lists import read_list
from penstock.runs.types import Artifact, Task


class Made(NamedTuple):
    """A training set: `train` and `holdout` as they are kept, all `rows` of both, and of each those that are
    `seen` by statistics.
    """

    train: Artifact
    holdout: Artifact
    rows: pl.LazyFrame
    seen: tuple[pl.DataFrame, pl.DataFrame]
    schema: dict[str, Any]


def timelines_of(task: Task, blobs: Blobs) -> Timelines:
    """What the views of a task have made, by view: one timeline, or all its parts in their order."""
    made = {view["name"]: task.inputs[timeline_of(view["name"])] for view in task.node.settings["views"]}
    return {
        name: [read_timeline(blobs.path(part.digest)) for part in _timelines(kept, blobs)]
        for name, kept in made.items()
    }


def _timelines(kept: Artifact, blobs: Blobs) -> list[Artifact]:
    return read_list(blobs.get(kept.digest)) if kept.format == LIST else [kept]


def made_of(task: Task, timelines: Timelines, blobs: Blobs) -> Made:
    """The training set of a `rows` node. Raises InvalidValue as `training_set`.

    Where it is put together of parts, statistics see all rows, or of a table of more than `HELD` values
    every so manieth of them.
    """
    settings = task.node.settings
    source = settings["source"]["name"]
    rows = read(task.inputs[source], blobs, pl.LazyFrame)
    if PARTS not in settings:
        whole = training_set(settings, {source: rows}, task.as_of, timelines)
        train, apart = write(whole.train, blobs), _in_one([whole.holdout.lazy()], blobs)
        every = pl.concat([whole.train.lazy(), whole.holdout.lazy()])
        return Made(train, apart, every, (whole.train, whole.holdout), whole.schema)
    train = write_parts(_parts(task, "train"), blobs)
    apart = _in_one([read(each, blobs, pl.LazyFrame) for each in _parts(task, "holdout")], blobs)
    learned, held = (read(each, blobs, pl.LazyFrame) for each in (train, apart))
    schema = schema_of(settings, learned, held, rows, timelines)
    return Made(train, apart, pl.concat([learned, held]), (_seen(train, learned), _seen(apart, held)), schema)


def _parts(task: Task, output: str) -> list[Artifact]:
    """What the parts of a training set have made, without those that made nothing."""
    named = sorted(task.inputs.items(), key=lambda each: number_in(each[0]))
    made = [each for name, each in named if name.rpartition(".")[0] == output]
    return [each for each in made if each.meta["rows"]]


def _in_one(parts: Sequence[pl.LazyFrame], blobs: Blobs) -> Artifact:
    """One file of all parts, as a holdout is measured on: written, and to be read, piece by piece."""
    return write(pl.concat(parts), blobs)


def _seen(kept: Artifact, rows: pl.LazyFrame) -> pl.DataFrame:
    every = -(-_values(kept) // HELD)
    return (rows.gather_every(every) if every > 1 else rows).collect(engine="streaming")


def _values(table: Artifact) -> int:
    return int(table.meta["rows"] * len(table.meta["columns"]))
