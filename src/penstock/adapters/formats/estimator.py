"""What held-out rows teach of answers whose truth nobody knows yet."""

from __future__ import annotations

import numpy as np
import polars as pl

from penstock.adapters.formats.native import Answers
from penstock.checks.measures import Numbers, losses
from penstock.core.errors import InvalidValue
from penstock.datasets.days import Sums, cell_of_each, cells_of, summed
from penstock.datasets.types import ColumnProfile, Profile
from penstock.deployments.truth import METRICS_OF, answered_numbers, truth_number
from penstock.models.types import Signature
from penstock.monitoring.estimates import LEAST, Estimator, Losses
from penstock.monitoring.measure import Answers as Known
from penstock.monitoring.relation import beyond

BINS = 50
"""Groups of like scores, at most, whose truth is taken together; each has FEW rows or more."""
FEW = 20
SHRUNK = 30.0
"""Rows of the usual loss that are added to each cell of an input."""
MOST = 50_000
"""Held-out rows that a model of losses is made of, spread over all."""


def estimator(
    signature: Signature, answers: Answers, held: pl.DataFrame, label: str, training: Profile
) -> Estimator | None:
    """What n held-out rows with their answers teach; None where too few have a label that the model can have.

    `training` gives the cells into which inputs fall.
    """
    if label not in held.columns:
        return None
    there, known = _known(signature, answers, held[label])
    if len(known[0]) < LEAST:
        return None
    happened, answered = answered_numbers(signature, *known)
    if signature.task == "regression":
        return _of_losses(happened, answered, held.filter(there), _columns(signature, training))
    hit = answered if signature.task == "multiclass" else happened
    return _calibrated(np.array(known[1]), hit)


def related(
    learnt: Estimator,
    signature: Signature,
    answers: Answers,
    held: pl.DataFrame,
    *,
    label: str,
    time: str,
    training: Profile,
) -> Sums:
    """How far the truth of held-out rows lay from what was expected, by the day of the column `time`."""
    there, known = _known(signature, answers, held[label])
    rows = held.filter(there)
    errors: Numbers = np.zeros(rows.height)
    if losses := learnt.losses.get("mae"):
        errors += losses.usual
        for column in _columns(signature, training):
            errors += np.array(losses.more[column.name])[cell_of_each(rows[column.name], column)]
    return summed(rows[time], beyond(signature, learnt, known, errors))


def _known(signature: Signature, answers: Answers, labels: pl.Series) -> tuple[pl.Series, Known]:
    """Which rows have a label that the model can have, and truth, score and answer of these."""
    truth = _truths(signature, labels)
    there = np.isfinite(truth)
    score = answers.score(len(signature.classes))[there]
    said = [name for name, known in zip(answers.label, there, strict=True) if known]
    return pl.Series(there), (truth[there].tolist(), score.tolist(), said)


def _columns(signature: Signature, training: Profile) -> list[ColumnProfile]:
    names = {column.name for column in signature.inputs}
    return [column for column in training.columns if column.name in names]


def _truths(signature: Signature, labels: pl.Series) -> Numbers:
    """Labels as numbers, shape (n,), NaN where there is none, or one that the model cannot have."""
    if signature.task == "regression" and labels.dtype.is_numeric():
        return labels.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    known = {}
    for value in labels.unique().to_list():
        try:
            known[value] = truth_number(signature, value)
        except InvalidValue:
            known[value] = np.nan
    return np.array([known[value] for value in labels.to_list()])


def _calibrated(score: Numbers, hit: Numbers) -> Estimator:
    """How often what was given a score happened, which rises with the score.

    Source: B. Zadrozny and C. Elkan, Transforming classifier scores into accurate multiclass probability
    estimates (2002); of groups of rows in place of single ones, which it would follow too closely.
    """
    from sklearn.isotonic import IsotonicRegression

    order = np.argsort(score, kind="stable")
    groups = np.array_split(order, max(1, min(BINS, len(order) // FEW)))
    means = np.array([score[group].mean() for group in groups])
    shares = np.array([hit[group].mean() for group in groups])
    rising = IsotonicRegression(y_min=0.0, y_max=1.0)
    chances = rising.fit_transform(means, shares, sample_weight=[len(group) for group in groups])
    places, first = np.unique(means, return_index=True)
    return Estimator(
        rows=len(score), scores=tuple(places.tolist()), chances=tuple(np.asarray(chances)[first].tolist())
    )


def _of_losses(truth: Numbers, score: Numbers, held: pl.DataFrame, columns: list[ColumnProfile]) -> Estimator:
    """The mean loss as the sum of what each cell of each input adds, drawn to 0 where rows are few.

    Source: ridge regression, A. Hoerl and R. Kennard (1970).
    """
    some = np.linspace(0, len(truth) - 1, min(len(truth), MOST)).astype(np.int64)
    truth, score, held = truth[some], score[some], held[some]
    counts = [cells_of(column) for column in columns]
    starts = np.cumsum([0, *counts])
    placed = np.zeros((len(truth), starts[-1]), dtype=np.float32)
    for column, start in zip(columns, starts[:-1], strict=True):
        placed[np.arange(len(truth)), start + cell_of_each(held[column.name], column)] = 1
    crossed = (placed.T @ placed).astype(np.float64) + SHRUNK * np.eye(starts[-1])
    found = {}
    for name in METRICS_OF["regression"]:
        loss = losses(name, truth, score)
        usual = float(loss.mean())
        adds = np.linalg.solve(crossed, placed.T @ (loss - usual))
        found[name] = Losses(
            usual=usual,
            spread=float(loss.std()),
            more={
                column.name: tuple(adds[start : start + count].tolist())
                for column, start, count in zip(columns, starts[:-1], counts, strict=True)
            },
        )
    return Estimator(rows=len(truth), losses=found)
