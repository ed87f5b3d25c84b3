"""Pure judgement of the relation between inputs and truth: what happened beside what was expected of it.

If other inputs come, other labels come too, and other losses. What held-out rows let expect of an answer goes
along with that; so how far the truth lies from what was expected of each answer tells of the relation alone.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from penstock.checks.means import Means, calibrate_means
from penstock.checks.measures import Numbers
from penstock.checks.shifts import FEWEST_DAYS, FEWEST_ROWS, Calibration
from penstock.datasets.days import Sums
from penstock.deployments.truth import answered_numbers
from penstock.models.types import Signature
from penstock.monitoring.drift import SEED, Judgement, like
from penstock.monitoring.estimates import Estimator, chances
from penstock.monitoring.measure import Answers
from penstock.monitoring.types import Moved

TRUTH, ERROR = "truth", "error"
"""What is watched: how far the truth lies above what was expected of it, and how much larger errors are."""
DOUBTED = " of doubtful answers"
"""The same where answers are weighed by how doubtful they are: what changes a little is seen there first."""
MOST_DAYS = 60
"""Days of a reference at which it stands still: a change so slow that each day is hidden by those before is
seen against the version's first weeks."""


def beyond(
    signature: Signature, estimator: Estimator, answers: Answers, errors: ArrayLike = 0.0
) -> dict[str, Numbers]:
    """How far each of n answers came out beyond what was expected of it, shape (n,): 0 on average if the
    truth follows from the inputs as it did in the rows that the estimator was learnt from.

    Of a classifier the truth less its calibrated probability, and by how much the squared error of that
    probability is above its expected value, which is D. Spiegelhalter's statistic (Probabilistic prediction
    in patient management and clinical trials, 1986); and both with answers weighed by 16 s² (1 - s)² of their
    score s, which is 1 where they say nothing and 0 where they are sure. Of a regression the residual, and
    how much larger it is than the `errors` that were expected, one number or of shape (n,). Of several
    classes being right is the truth.
    """
    truth, score, label = answers
    happened, answered = answered_numbers(signature, truth, score, label)
    if signature.task == "regression":
        residual: Numbers = happened - answered
        return {TRUTH: residual, ERROR: np.abs(residual) - np.asarray(errors)}
    scores = np.asarray(score, dtype=np.float64)
    happened = answered if signature.task == "multiclass" else happened
    chance = chances(estimator, scores)
    residual = happened - chance
    found = {TRUTH: residual, ERROR: residual * (1 - 2 * chance)}
    doubt = (4 * scores * (1 - scores)) ** 2
    return found | {name + DOUBTED: doubt * each for name, each in found.items()}


def lacking(reference: Sums) -> str:
    """Why a relation cannot be held against so few days yet, empty where it can."""
    days, rows = len(reference.days), sum(reference.rows)
    if days >= FEWEST_DAYS and rows >= FEWEST_ROWS:
        return ""
    return (
        f"labels of {rows:,} answers on {days} days are known beside which it could be held, held-out ones "
        f"and the first of the version, and it takes {FEWEST_ROWS} on {FEWEST_DAYS}"
    )


def calibrated(reference: Sums, found: dict[str, Numbers]) -> Calibration:
    """How days of a reference look without change, in windows of about so many answers as `found` is of."""
    numbers = {name: _means(reference, name) for name in found if name in reference.sums}
    return calibrate_means(numbers, like(len(next(iter(found.values())))), seed=SEED)


def judged(calibration: Calibration, found: dict[str, Numbers], chance: float) -> Judgement:
    """Hold a window's labelled answers against days of a reference, so that without change it alarms with
    `chance`. `found` are those of its n answers, see `beyond`; all these numbers are one family.
    """
    columns, rows = calibration.names, len(next(iter(found.values())))
    means = {name: float(found[name].mean()) for name in columns}
    _, heights = calibration.standardised({name: np.array([rows]) for name in columns}, means)
    bound = calibration.bound(chance)
    moved = [
        Moved(
            column=name,
            distance=None,
            psi=None,
            chance=calibration.chance(float(height)),
            influence=None,
            how=_told(name, calibration.means[name], means[name]),
        )
        for height, name in sorted(zip(heights, columns, strict=True), reverse=True)
        if height > bound
    ]
    return Judgement(moved=tuple(moved), chance=min((each.chance for each in moved), default=1.0))


def _means(reference: Sums, name: str) -> Means:
    rows = np.array(reference.rows, dtype=np.float64)
    sums, squares = np.array(reference.sums[name]), np.array(reference.squares[name])
    inside = float(squares.sum() - (sums**2 / rows).sum()) / max(1, int(rows.sum()) - len(rows))
    return Means(rows, sums / rows, math.sqrt(max(0.0, inside)))


def _told(name: str, before: float, now: float) -> str:
    if name.startswith(TRUTH):
        return f"it lies {now:+.3g} from what was expected of it, before {before:+.3g}"
    return f"it is {now:+.3g} beyond what was expected of it, before {before:+.3g}"
