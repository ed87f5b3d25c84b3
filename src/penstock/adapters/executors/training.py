"""Training rows as a worker makes them: at once, or put together of parts that others have made."""

from __future__ import annotations

from typing import Any, NamedTuple

import polars as pl

from penstock.adapters.formats.tables import write_parts
from penstock.adapters.formats.values import read, write
from penstock.datasets.spilling import HELD
from penstock.features.joins import Timelines
from penstock.features.keeping import read_timeline
from penstock.features.shares import PARTS, number_in
from penstock.features.training import gathered, training_set
from penstock.lineage.ports import Blobs
from penstock.runs.types import Artifact, Task


class Made(NamedTuple):
    """A training set: `train` as it is kept, its `rows`, and of these so many as are `seen` by statistics."""

    train: Artifact
    rows: pl.LazyFrame
    seen: pl.DataFrame
    holdout: pl.DataFrame
    schema: dict[str, Any]


def timelines_of(task: Task, blobs: Blobs) -> Timelines:
    """What the views of a task have made, by view: one timeline, or all its parts in their order."""
    return {
        view["name"]: [
            read_timeline(blobs.path(artifact.digest))
            for name, artifact in _in_order(task)
            if artifact.format == "timeline" and name.partition(".")[0] == view["name"]
        ]
        for view in task.node.settings["views"]
    }


def made_of(task: Task, timelines: Timelines, blobs: Blobs) -> Made:
    """The training set of a `rows` node. Raises InvalidValue as `training_set`.

    Where it is put together of parts, statistics see all rows, or if these are more than `HELD` values every
    so manieth of them.
    """
    settings = task.node.settings
    source = settings["source"]["name"]
    rows = read(task.inputs[source], blobs, pl.LazyFrame)
    if PARTS not in settings:
        whole = training_set(settings, {source: rows}, task.as_of, timelines)
        train = write(whole.train, blobs)
        return Made(train, whole.train.lazy(), whole.train, whole.holdout, whole.schema)
    parts = [each for name, each in _in_order(task) if name != source and each.format == "arrow"]
    made = gathered(settings, [read(each, blobs, pl.LazyFrame) for each in parts], rows, timelines)
    kept = [*parts[: made.whole], write(made.rest, blobs)]
    train = write_parts([each for each in kept if each.meta["rows"]], blobs)
    lazy: pl.LazyFrame = read(train, blobs, pl.LazyFrame)
    every = -(-train.meta["rows"] * len(train.meta["columns"]) // HELD)
    seen = lazy.gather_every(every) if every > 1 else lazy
    return Made(train, lazy, seen.collect(engine="streaming"), made.holdout, made.schema)


def _in_order(task: Task) -> list[tuple[str, Artifact]]:
    return sorted(task.inputs.items(), key=lambda each: number_in(each[0]))
