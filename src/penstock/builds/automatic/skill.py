"""How much better answers are than saying the same to every row: one scale for all metrics."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import polars as pl

from penstock.builds.automatic.ports import Floats
from penstock.checks.measures import measure
from penstock.checks.metrics import METRICS
from penstock.core.errors import InvalidValue

SAME = 1e-9
"""Answers that are nearer to each other are equal."""
_SPOKEN = {"true": 1.0, "1": 1.0, "1.0": 1.0, "false": 0.0, "0": 0.0, "0.0": 0.0}


def truth_of(label: pl.Series, classes: Sequence[str]) -> Floats | None:
    """The labels of n rows as numbers, 1 for the last of two classes; None where that has no meaning.

    A label that is a class but for capitals and blanks is that class: whoever reads it means so.
    """
    if label.is_empty() or len(classes) > 2:
        return None
    if not classes:
        return label.cast(pl.Float64).to_numpy() if label.dtype.is_numeric() else None
    names = [str(value).lower() if isinstance(value, bool) else str(value) for value in label]
    if set(names) <= set(classes):
        return np.array([float(classes.index(name)) for name in names])
    plain = [spelled(name) for name in classes]
    if {spelled(name) for name in names} <= set(plain) and len(set(plain)) == len(plain):
        return np.array([float(plain.index(spelled(name))) for name in names])
    spoken = [_SPOKEN.get(name.lower(), math.nan) for name in names]
    return None if any(math.isnan(value) for value in spoken) else np.array(spoken)


def spelled(text: str) -> str:
    """A text without what tells its spellings apart: capitals, blanks, and the decimals of a whole number."""
    plain = " ".join(text.casefold().split())
    return plain.removesuffix(".0") if plain.removesuffix(".0").isdigit() else plain


def score_of(answers: Floats) -> Floats:
    """One number per row: the probability of the last class, or the value."""
    score: Floats = answers[:, -1]
    return score


def skill(metric: str, value: float, truth: Floats) -> float:
    """A metric's value as a skill score: 1 is perfect, 0 what the best constant answer to `truth` earns.

    See Murphy (1988), Skill scores based on the mean square error. Raises InvalidValue for a metric that is
    not known, and UndefinedMetric.
    """
    if metric == "roc_auc":
        return 2 * value - 1
    middle = np.median(truth) if metric == "mae" else truth.mean()
    constant = np.full_like(truth, middle)
    trivial = measure(metric, truth, constant)
    if metric == "rmse":
        value, trivial = value**2, trivial**2
    perfect = 1.0 if METRICS[metric].greater_is_better else 0.0
    if abs(perfect - trivial) < SAME:
        raise InvalidValue(what="Every row has the same label.")
    return (value - trivial) / (perfect - trivial)


def chance(metric: str, truth: Floats) -> float:
    """The skill that answers without any sense have at most, but for one time in ten thousand."""
    if metric == "roc_auc":
        positive = float((truth == 1).sum())
        negative = len(truth) - positive
        return 2 * 4 * math.sqrt((len(truth) + 1) / (12 * max(positive, 1) * max(negative, 1)))
    return 4 / math.sqrt(len(truth))


def agreement(truth: Floats, score: Floats) -> float:
    """Whether answers rise with the truth: Spearman's rank correlation, from -1 to 1; 0 for a constant."""
    if np.ptp(score) < SAME or np.ptp(truth) < SAME:
        return 0.0
    first, second = (pl.Series(values).rank("average").to_numpy() for values in (truth, score))
    return float(np.corrcoef(first, second)[0, 1])


def apart(first: Floats, second: Floats) -> Floats:
    """The largest difference of the answers to each of n rows, relative where they are larger than 1."""
    distance = np.abs(first - second) / np.maximum(1.0, np.abs(first))
    distance = np.where(np.isnan(first) & np.isnan(second), 0.0, distance)
    largest: Floats = np.nan_to_num(distance, nan=np.inf).max(axis=1) if distance.size else np.zeros(0)
    return largest
