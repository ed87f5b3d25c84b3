"""How a model was fitted: on all rows it was given, by weights that make sense, never on own answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from penstock.builds.automatic.fitted import places
from penstock.builds.automatic.pipelines import Train, plantable, planted
from penstock.builds.automatic.ports import Asked, Floats, Workbench
from penstock.builds.automatic.rehearsal import Published, Rehearsed
from penstock.builds.automatic.skill import SAME, agreement, apart, score_of, truth_of
from penstock.builds.automatic.verdicts import NotJudged
from penstock.checks.measures import measure
from penstock.core.errors import PenstockError
from penstock.pipelines.types import Node

_ALL = 0.95
_AGAINST = -0.9
_ERRORS = 1.0
_UNSEEN = "How it was fitted was not seen: only a model fitted by one call of its `fit` is."


def all_rows(published: Published, asked: Asked, train: Train) -> None:
    """Whether more rows reach `fit` where more are given: compares the sample with the tiny batch.

    Filters, classes that are thinned out and parts that are set aside take a share of the rows; a limit that
    was left in takes so many, and all of a batch that is smaller. Raises AssertionError.
    """
    columns = plantable(published.rows.train, asked)
    tiny, few = train(planted(columns[0])).of(published.name) if columns else (published, asked)
    if asked.fit is None or few.fit is None:
        raise NotJudged(_UNSEEN)
    given, fitted = published.rows.train.height, asked.fit.rows.height
    if fitted < _ALL * given and few.fit.rows.height == min(fitted, tiny.rows.train.height) < given:
        raise AssertionError(
            f"The model {published.name} is fitted on {fitted} of {given} training rows, and of a batch of "
            f"{tiny.rows.train.height} on {few.fit.rows.height}: so many count, however many are given. "
            "Expected "
            "all of them, or a share: look for a head, a slice, a sample or a limit that was for trying out."
        )


def own_answers(published: Published, asked: Asked) -> None:
    """Raises AssertionError when an estimator learns from what another answers to rows that it knows."""
    if asked.own_answers:
        taker, _, giver = asked.own_answers.partition(" from ")
        raise AssertionError(
            f"While {published.name} is trained, {taker} is fitted on what {giver} answers to the very "
            "rows that "
            f"{giver} was fitted on: there it is more often right than it will ever be again. Expected "
            "answers "
            'to rows that it has not seen: cross_val_predict, or a cv that is not "prefit".'
        )


def weights(published: Published, asked: Asked) -> None:
    """Raises AssertionError when rows count the less the newer they are."""
    if asked.fit is None:
        raise NotJudged(_UNSEEN)
    if asked.fit.weights is None or len(asked.fit.weights) != asked.fit.rows.height:
        raise NotJudged("Its rows have no weights.")
    if published.time not in published.rows.train.columns:
        raise NotJudged("Its rows do not say when they happened.")
    pairs = places(published, asked, asked.fit.weights)
    moments = (
        published.rows.train[published.time].gather(pairs["own"]).to_physical().cast(pl.Float64).to_numpy()
    )
    if len(moments) and agreement(moments, pairs["fitted"].cast(pl.Float64).to_numpy()) < _AGAINST:
        raise AssertionError(
            f"The newest rows weigh least where {published.name} is fitted: weights fall all the time, from "
            f"{asked.fit.weights.max():.3g} to {asked.fit.weights.min():.3g}. Expected that they do not "
            "depend on "
            "time, or grow with it: look at which end an age is counted from."
        )


def chooses(node: Node, done: Rehearsed) -> bool:
    """Whether a step is given several models and gives one."""
    given = [value for value in done.inputs.get(node.name, {}).values() if hasattr(value, "predict")]
    given += [None for value in done.outputs[node.name].values() if hasattr(value, "predict")]
    return len(given) > 2 and given[-2:] != [None, None]


def chosen(node: Node, done: Rehearsed, schema: Mapping[str, Any], bench: Workbench) -> None:
    """Whether a step that is given several models and rows gives back the best of them.

    The one that it gives may be worse by some metric, or by less than a standard error of the difference,
    as a simpler one may be preferred; not by every metric. Raises AssertionError.
    """
    inputs, label = done.inputs[node.name], str(schema["label"])
    given = {name: value for name, value in inputs.items() if hasattr(value, "predict")}
    tables = [each for each in inputs.values() if isinstance(each, pl.DataFrame) and label in each.columns]
    [output] = [value for value in done.outputs[node.name].values() if hasattr(value, "predict")]
    if len(tables) != 1:
        raise NotJudged("It is given no rows with labels to choose by, or several tables of them.")
    models = {name: bench.model(value, schema) for name, value in given.items()}
    [rows] = tables
    truths = {name: truth_of(rows[label], model.classes) for name, model in models.items()}
    answers = {name: model.trained(rows) for name, model in models.items()}
    own = bench.model(output, schema).trained(rows)
    taken = [
        name for name, said in answers.items() if said.shape == own.shape and apart(said, own).max() < SAME
    ]
    if len(taken) != 1 or any(truth is None for truth in truths.values()):
        raise NotJudged("What it gives is none of the models.")
    metrics = ("roc_auc", "log_loss", "accuracy") if models[taken[0]].classes else ("rmse", "mae")
    for name, said in answers.items():
        if name != taken[0] and _surely_better(metrics, truths[name], score_of(said), score_of(own)):  # type: ignore[arg-type]
            raise AssertionError(
                f"{node.name} is given {', '.join(f'`{each}`' for each in given)} and gives `{taken[0]}`, "
                "though "
                f"`{name}` is better on its rows by {', '.join(metrics)}. Expected the best of them: look at "
                "whether the metric that is compared is better when it is greater or when it is less."
            )


def _surely_better(metrics: tuple[str, ...], truth: Floats, other: Floats, own: Floats) -> bool:
    for metric in metrics:
        sign = 1.0 if metric in {"roc_auc", "accuracy"} else -1.0
        try:
            gain = sign * (measure(metric, truth, other) - measure(metric, truth, own))
        except PenstockError:
            continue
        if gain <= SAME:
            return False
    gains = (own - truth) ** 2 - (other - truth) ** 2
    return bool(gains.mean() > _ERRORS * gains.std() / np.sqrt(len(gains)))
