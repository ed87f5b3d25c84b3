"""What users' own tests ask of their steps, pipelines, features and models, on rows that they bring."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl

from penstock.builds.automatic import models
from penstock.builds.automatic.changes import planted
from penstock.builds.automatic.pipelines import LEARNED
from penstock.builds.automatic.ports import Carrier
from penstock.builds.automatic.rehearsal import Rehearsed, rehearse
from penstock.builds.automatic.skill import agreement
from penstock.features.types import TrainingSet
from penstock.pipelines.authoring import Pipeline
from penstock.pipelines.types import Graph

_ALWAYS = datetime(9999, 1, 1, tzinfo=UTC)


class AsTheyAre:
    """A `Carrier` without formats: steps get the very values that other steps returned."""

    def keep(self, value: object, asked: str, *, again: bool = False) -> object:  # noqa: ARG002 - the port's
        """See `Carrier.keep`."""
        return value

    def take(self, kept: Any, annotation: Any) -> Any:  # noqa: ARG002 - the port's
        """See `Carrier.take`."""
        return kept


def run_on(pipeline: Pipeline | Graph, rows: Mapping[str, pl.DataFrame], **params: Any) -> Rehearsed:
    """Run a pipeline on rows, by the names of its sources with times in UTC, in this process.

    `run_on(train_delay, {"flights": flights, "weather": weather}, learning_rate=0.2)` gives, by node,
    `.outputs["fit"]["result"]`, and in `.published` each model with its metrics and training rows. Nothing is
    stored. Raises StepRaised, with the step's name, or InvalidValue when there are no training rows.
    """
    graph = pipeline.draw(**params) if isinstance(pipeline, Pipeline) else pipeline
    ordered = {
        name: rows[name].sort(moment) if moment in rows[name].columns else rows[name]
        for name, moment in _event_times(graph)
    }
    return rehearse(graph, ordered, _ALWAYS, _AS_THEY_ARE)


def repeatable(make: Callable[[], Any]) -> None:
    """Raises AssertionError when calling `make` twice gives two different values, arrays or tables."""
    first, second = make(), make()
    same = first.equals(second) if isinstance(first, pl.DataFrame) else np.array_equal(first, second)
    if not same:
        raise AssertionError(
            f"Two calls give different results, {first!r} and {second!r}: expected the same. Give every "
            "shuffle, sample and estimator a seed, such as random_state=0."
        )


def learns(
    fit: Callable[[pl.DataFrame], Any],
    answer: Callable[[Any, pl.DataFrame], Iterable[float]],
    rows: pl.DataFrame,
    *,
    label: str,
    by: str,
) -> None:
    """Plant a signal in a tiny batch of rows and see whether training finds it.

    The labels of up to 400 rows are put in the order of the column `by`; then the answers of
    `answer(fit(batch), batch)`, one number a row, must rise with them. Raises AssertionError.
    """
    batch = planted(TrainingSet(rows, rows, {"label": label}), by).train
    said = np.asarray(list(answer(fit(batch), batch)), dtype=np.float64)
    found = agreement(batch[label].cast(pl.Float64).to_numpy(), said)
    if found < LEARNED:
        raise AssertionError(
            f"It does not learn: on a tiny batch whose `{label}` rises with `{by}`, answers agree with it "
            f"by {found:.2f}, expected at least {LEARNED} of 1. Look at whether rows and labels belong "
            "together, and at the classes."
        )


def no_leak(train: pl.DataFrame, holdout: pl.DataFrame, label: str, columns: Iterable[str]) -> None:
    """Raises AssertionError when one of the columns alone tells the label, a number or one of two classes."""
    values = train[label].drop_nulls().unique().sort()
    numeric = values.dtype.is_numeric() and values.len() > 2
    names = [str(value).lower() if isinstance(value, bool) else str(value) for value in values]
    models.no_leak(train, holdout, label, columns, () if numeric else names)


def _event_times(graph: Graph) -> list[tuple[str, str]]:
    return [
        (str(node.settings["source"]["name"]), str(node.settings["source"]["event_time"]))
        for node in graph.nodes
        if node.kind == "snapshot"
    ]


_AS_THEY_ARE: Carrier = AsTheyAre()
