"""Stretches of several days in a row, as a moving window passes over them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def sums(days: NDArray[Any], span: int) -> NDArray[Any]:
    """The sum of each stretch of `span` of D days, shape (D, ...) to (D - span + 1, ...)."""
    upto = np.concatenate([np.zeros_like(days[:1]), np.cumsum(days, axis=0)])
    found: NDArray[Any] = upto[span:] - upto[:-span]
    return found


def independent(days: int, span: int) -> float:
    """How many independent stretches tell as much of how stretches differ as those of so many days.

    They overlap, which is worth half as many again as stretches side by side.
    Source: H. Künsch, The jackknife and the bootstrap for general stationary observations (1989).
    """
    return days if span == 1 else max(2.0, 1.5 * days / span)
