"""Guards on quality that may be looked at with every label: they fail only where labels surely say so."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from penstock.checks.check import Check
from penstock.checks.metrics import METRICS
from penstock.checks.sequential import LOSSES, Difference, in_blocks, judged, losses_of

Numbers = NDArray[np.float64]
Answers = tuple[Numbers, Numbers]
"""Truth and answer, each of shape (n,)."""
HALF = 50


def surely(check: Check, challenger: Answers, champion: Answers) -> Difference | None:
    """How far the challenger's mean loss is beyond what a guard allows: `worse` where it surely is.

    Answers of both are compared one by one in the order of their labels, whatever share the challenger had
    when. None for a guard that no mean of losses answers, such as one on `roc_auc`, and without labels.
    """
    beyond = _beyond(check, challenger, champion)
    if beyond is None or not len(beyond):
        return None
    return judged(beyond, bounded=LOSSES[check.left][1])


def _beyond(check: Check, challenger: Answers, champion: Answers) -> Numbers | None:
    """Losses less what they may be, those between 0 and 1 shrunk so that they stay between -1 and 1."""
    name = check.left
    right_way = check.operator in ({">=", ">"} if METRICS[name].greater_is_better else {"<=", "<"})
    if name not in LOSSES or not right_way or (name == "rmse" and check.right and check.offset):
        return None
    mine = losses_of(name, *challenger)
    if check.right:
        allowed = -check.offset if name == "accuracy" else check.offset
        values: Numbers = in_blocks(mine, losses_of(name, *champion), HALF) - allowed
    else:
        bounds = {"accuracy": 1 - check.offset, "rmse": check.offset**2}
        values = mine - bounds.get(name, check.offset)
    return values / (1 + abs(check.offset)) if LOSSES[name][1] else values
