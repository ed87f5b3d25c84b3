"""Whoever looks after every label is wrong about equals no more often than was promised."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.checks.sequential import BURN_IN, bernstein, gaussian, in_blocks, judged, losses_of
from penstock.core.errors import InvalidValue

TESTS = 60
FEW = 12
"""Of 60 tests of equals that are promised to be wrong in 5 %, more are so once in some thousand."""


def losses(kind: str, mean: float, rng: np.random.Generator, size: int) -> np.ndarray:
    if kind == "hits":
        return (rng.random(size) < mean).astype(np.float64)
    return rng.beta(2 * mean, 2 * (1 - mean), size) if kind == "squares" else rng.exponential(mean, size)


@settings(max_examples=30, deadline=None)
@given(
    kind=st.sampled_from(["hits", "squares", "distances"]),
    mean=st.floats(0.05, 0.95),
    share=st.sampled_from([5, 20, 50]),
    seed=st.integers(0, 2**32 - 1),
)
def test_equals_are_rarely_told_apart_and_different_ones_never_the_wrong_way(
    kind: str, mean: float, share: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    bounded = kind != "distances"
    wrong, upside_down = 0, 0
    for _ in range(TESTS):
        theirs = losses(kind, mean, rng, 600 * round(100 / share))
        equal, worse = losses(kind, mean, rng, 600), losses(kind, (mean + 1) / 2, rng, 600)
        wrong += judged(in_blocks(equal, theirs, share), bounded=bounded).verdict != "open"
        upside_down += judged(in_blocks(worse, theirs, share), bounded=bounded).verdict == "better"
    assert wrong <= FEW
    assert upside_down <= FEW


@given(values=st.lists(st.floats(-1, 1), min_size=1, max_size=300))
def test_bounds_only_narrow_and_change_sides_with_the_sides(values: list[float]) -> None:
    numbers = np.array(values)
    for bounds in (bernstein, gaussian):
        low, high = bounds(numbers)
        other_low, other_high = bounds(-numbers)
        assert (low[1:] >= low[:-1]).all()
        assert (high[1:] <= high[:-1]).all()
        assert np.allclose(low, -other_high, equal_nan=True)
        assert np.allclose(high, -other_low, equal_nan=True)


def test_a_large_difference_is_found_and_a_verdict_stays() -> None:
    rng = np.random.default_rng(0)
    worse, better = losses("hits", 0.5, rng, 600), losses("hits", 0.2, rng, 2400)
    first = judged(in_blocks(worse, better, 20), bounded=True)
    assert (first.verdict, first.blocks) == ("worse", 600)
    assert first.low < 0.3 < first.high
    equal = losses("hits", 0.2, rng, 2000)
    assert judged(in_blocks(np.concatenate([worse, equal]), better, 20), bounded=True).verdict == "worse"
    many = losses("distances", 3.0, rng, 600)
    assert judged(many[:BURN_IN] * 0 + 1.0, bounded=False).verdict == "worse"
    assert judged(many[: BURN_IN - 1], bounded=False).verdict == "open"
    assert judged([], bounded=True).verdict == "open"


def test_losses_are_of_rows_and_only_of_metrics_that_are_means() -> None:
    truth, score = [1.0, 0.0, 1.0], [0.9, 0.6, 0.5]
    assert losses_of("accuracy", truth, score).tolist() == [0.0, 1.0, 1.0]
    assert losses_of("brier", truth, score) == pytest.approx([0.01, 0.36, 0.25])
    assert losses_of("log_loss", truth, score) == pytest.approx(-np.log([0.9, 0.4, 0.5]))
    assert losses_of("mae", truth, score) == pytest.approx([0.1, 0.6, 0.5])
    with pytest.raises(InvalidValue, match="a mean over rows"):
        losses_of("roc_auc", truth, score)
