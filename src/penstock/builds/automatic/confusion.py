"""Metrics of decisions: what counts is which rows were said to be of the positive class, and rightly so."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import numpy as np

from penstock.builds.automatic.ports import Floats

NEAR = 0.0051
"""How far a reported number may be from the earned one: two decimals are enough."""
_HALF = 0.5


class Counts(NamedTuple):
    """True and false positives, false and true negatives, at each of some thresholds."""

    tp: Floats
    fp: Floats
    fn: Floats
    tn: Floats


def _over(part: Floats, whole: Floats) -> Floats:
    share: Floats = np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
    return share


def _recall(n: Counts) -> Floats:
    return _over(n.tp, n.tp + n.fn)


def _specificity(n: Counts) -> Floats:
    return _over(n.tn, n.tn + n.fp)


def _f1(n: Counts) -> Floats:
    return _over(2 * n.tp, 2 * n.tp + n.fp + n.fn)


DECISIONS: Mapping[str, Callable[[Counts], Floats]] = {
    "precision": lambda n: _over(n.tp, n.tp + n.fp),
    "recall": _recall,
    "sensitivity": _recall,
    "specificity": _specificity,
    "f1": _f1,
    "f1_score": _f1,
    "balanced_accuracy": lambda n: (_recall(n) + _specificity(n)) / 2,
    "accuracy": lambda n: _over(n.tp + n.tn, n.tp + n.fp + n.fn + n.tn),
}
"""Metrics of two classes by their names, of the positive class where they are of one."""


def explained(reported: Mapping[str, float], truth: Floats, score: Floats, times: Floats) -> bool:
    """Whether there is one threshold of n scores at which all that is `reported` is earned.

    Either class may be the positive one; each row counts `times`. Truths are 0 or 1. Where accuracy is among
    it, which counts at one half, the threshold is that.
    """
    thresholds = np.array([_HALF]) if "accuracy" in reported else np.unique(np.r_[score, _HALF])
    for happened, answer, cuts in ((truth, score, thresholds), (1 - truth, -score, -thresholds)):
        counts = _at(happened, answer, times, cuts)
        near = [np.abs(DECISIONS[name](counts) - value) <= NEAR for name, value in reported.items()]
        if np.logical_and.reduce(near).any():
            return True
    return False


def usual(names: Iterable[str], truth: Floats, score: Floats) -> dict[str, float]:
    """What is earned by these names when a score above one half says the positive class."""
    counts = _at(truth, score, np.ones_like(truth), np.array([_HALF]))
    return {name: float(DECISIONS[name](counts)[0]) for name in names}


def _at(truth: Floats, score: Floats, times: Floats, thresholds: Floats) -> Counts:
    """The counts when scores above each threshold say the positive class."""
    order = np.argsort(-score, kind="stable")
    above = np.searchsorted(-score[order], -thresholds, side="left")
    tp, fp = (np.r_[0.0, np.cumsum((times * (truth == side))[order])] for side in (1, 0))
    return Counts(tp[above], fp[above], tp[-1] - tp[above], fp[-1] - fp[above])
