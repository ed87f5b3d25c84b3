"""How good answers are while nobody knows the truth yet: estimated from what held-out rows have taught."""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec
import numpy as np
from numpy.typing import ArrayLike

from penstock.checks.measures import Numbers, Z, losses, measure_of
from penstock.datasets.profiles import cells
from penstock.datasets.types import Profile
from penstock.deployments.truth import METRICS_OF
from penstock.models.types import Task
from penstock.monitoring.types import Figure

LEAST = 200
"""Held-out rows below which nothing is learnt of them, and answers below which nothing is estimated."""

GROUPS = 2**15
"""Scores that are told apart."""


class Losses(msgspec.Struct, frozen=True, kw_only=True):
    """The loss of a regression on rows, as the sum of what each input adds to it.

    `usual` is its mean on held-out rows and `spread` its standard deviation; `more` is what each cell of an
    input (see `datasets.profiles.cells`) adds.
    """

    usual: float
    spread: float
    more: dict[str, tuple[float, ...]]


class Estimator(msgspec.Struct, frozen=True, kw_only=True):
    """What `rows` held-out rows tell of answers whose truth nobody knows.

    Of a classifier, how often what was given one of `scores`, in order, did happen (`chances`; of several
    classes, how often the answer was right). Of a regression, its losses by metric.
    """

    rows: int
    scores: tuple[float, ...] = ()
    chances: tuple[float, ...] = ()
    losses: dict[str, Losses] = {}


def estimated(
    estimator: Estimator, task: Task, scores: ArrayLike, asked: Profile, training: Profile
) -> dict[str, Figure]:
    """The metrics of a model's task over n answers with these scores, shape (n,), as they most likely are.

    A classifier's are expected values under its calibrated probabilities; a regression's follow from how the
    inputs that were `asked` fell into the cells of `training`. Both suppose that the truth still follows from
    the inputs as it did: what has changed in that only labels show. The band is where the metric comes out
    with 95 % confidence once the truth is known. Nothing is estimated of fewer than LEAST answers.
    Source: J. Białek, W. Kuberski, N. Perrakis and A. Bifet, Estimating model performance under covariate
    shift without labels (2024), for classifiers; a direct model of the loss is NannyML's DLE as well.
    """
    answered = np.asarray(scores, dtype=np.float64)
    if len(answered) < LEAST:
        return {}
    if task == "regression":
        return {
            name: _around(name, loss, estimator.losses[name].spread, len(answered), estimator.rows)
            for name, loss in expected_losses(estimator, asked, training).items()
        }
    if not estimator.scores:
        return {}
    score, rows = _grouped(answered)
    chance = chances(estimator, score)
    if task == "multiclass":
        return {"accuracy": _mean("accuracy", np.ones_like(chance), chance, rows, estimator.rows)}
    return {
        name: _ranking(chance, rows, estimator.rows)
        if name == "roc_auc"
        else _mean(name, score, chance, rows, estimator.rows)
        for name in METRICS_OF[task]
        if name != "roc_auc" or 0 < chance @ rows < len(answered)
    }


def chances(estimator: Estimator, scores: Numbers) -> Numbers:
    """How often what was given such scores, shape (n,), happens, as held-out rows have it."""
    found: Numbers = np.interp(scores, estimator.scores, estimator.chances)
    return found


def expected_losses(estimator: Estimator, asked: Profile, training: Profile) -> dict[str, float]:
    """The mean loss of a regression by metric, as it follows from the inputs that were `asked`."""
    reference = {column.name: column for column in training.columns}
    fell = {c.name: np.array(cells(c, reference[c.name]), dtype=np.float64) for c in asked.columns}
    return {name: max(0.0, _loss(known, fell)) for name, known in estimator.losses.items()}


def _grouped(scores: Numbers) -> tuple[Numbers, Numbers]:
    """Scores in order, and of how many rows each is: of very many, neighbours are one with their mean."""
    ordered = np.sort(scores)
    starts = np.linspace(0, len(scores), min(len(scores), GROUPS), endpoint=False).astype(np.int64)
    sizes = np.diff(starts, append=len(scores)).astype(np.float64)
    return np.add.reduceat(ordered, starts) / sizes, sizes


def _mean(name: str, score: Numbers, chance: Numbers, rows: Numbers, learnt: int) -> Figure:
    """The mean of losses that come out one way or the other, each with its chance."""
    happened, not_so = losses(name, np.ones_like(score), score), losses(name, np.zeros_like(score), score)
    answers = float(rows.sum())
    mean = float(rows @ (chance * happened + (1 - chance) * not_so)) / answers
    square = float(rows @ (chance * happened**2 + (1 - chance) * not_so**2)) / answers
    return _around(name, mean, math.sqrt(max(0.0, square - mean**2)), answers, learnt)


def _loss(known: Losses, fell: Mapping[str, Numbers]) -> float:
    """The mean loss of rows of which so many fell into each cell of an input."""
    added = (
        float(counts @ np.array(known.more[name])) / max(1.0, float(counts.sum()))
        for name, counts in fell.items()
        if name in known.more
    )
    return known.usual + sum(added)


def _ranking(chance: Numbers, rows: Numbers, learnt: int) -> Figure:
    """The chance that a row with truth 1 is above one with truth 0, of rows in order of scores; the band
    by Hanley and McNeil (see `checks.measures`).

    Rows with the same chance may stand in any order: what one is above the other, that is below it.
    """
    hits, others = rows * chance, rows * (1 - chance)
    alike = float(hits @ (1 - chance))
    inside = float((rows - 1) @ (chance * others)) / 2
    pairs = float(hits.sum() * others.sum()) - alike  # no row is above itself
    value = (float(hits @ (np.cumsum(others) - others)) + inside) / pairs
    answers = float(rows.sum())
    some = answers * learnt / (answers + learnt)
    n1, n0 = some * float(hits.sum()) / answers, some * float(others.sum()) / answers
    both_above, both_below = value / (2 - value), 2 * value**2 / (1 + value)
    variance = value * (1 - value) + (n1 - 1) * (both_above - value**2) + (n0 - 1) * (both_below - value**2)
    wide = Z * math.sqrt(max(0.0, variance) / (n1 * n0))
    return Figure(value=value, low=max(0.0, value - wide), high=min(1.0, value + wide))


def _around(name: str, mean: float, spread: float, answers: float, learnt: int) -> Figure:
    """The band allows for the chance of these answers, and for that of the rows that were learnt from."""
    wide = Z * spread * math.sqrt(1 / answers + 1 / learnt)
    shown = measure_of(name).shown
    return Figure(value=shown(mean), low=shown(max(0.0, mean - wide)), high=shown(mean + wide))
