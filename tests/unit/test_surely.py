"""Guards on quality fail only where labels surely say so, in the direction that each metric has."""

import numpy as np
import pytest

from penstock.checks.guard import parse_guard
from penstock.deployments.surely import surely

RNG = np.random.default_rng(5)
TRUTH = (RNG.random(2000) < 0.5).astype(float)
GOOD, POOR = (
    np.where(RNG.random(2000) < 0.9, TRUTH, 1 - TRUTH),
    np.where(RNG.random(2000) < 0.6, TRUTH, 1 - TRUTH),
)


@pytest.mark.parametrize(
    ("guard", "verdict"),
    [
        ("accuracy >= champion.accuracy", "worse"),
        ("accuracy >= champion.accuracy - 0.2", "worse"),
        ("accuracy >= champion.accuracy - 0.4", "better"),
        ("accuracy >= champion.accuracy - 0.3", "open"),
        ("brier <= champion.brier + 0.2", "worse"),
        ("brier <= champion.brier + 0.4", "better"),
        ("mae <= champion.mae + 0.2", "worse"),
        ("accuracy >= 0.7", "worse"),
        ("accuracy >= 0.5", "better"),
        ("rmse <= 0.5", "worse"),
        ("rmse <= 0.7", "better"),
    ],
)
def test_a_guard_is_judged_by_the_losses_behind_it(guard: str, verdict: str) -> None:
    found = surely(parse_guard(guard), (TRUTH, POOR), (TRUTH, GOOD))
    assert found is not None
    assert found.verdict == verdict


@pytest.mark.parametrize(
    "guard", ["roc_auc >= 0.7", "accuracy <= 0.9", "rmse <= champion.rmse + 0.1", "brier == 0.2"]
)
def test_what_is_no_bound_on_a_mean_is_not_judged_so(guard: str) -> None:
    assert surely(parse_guard(guard), (TRUTH, POOR), (TRUTH, GOOD)) is None
    nothing = np.empty(0)
    assert surely(parse_guard("brier <= 0.1"), (nothing, nothing), (TRUTH, GOOD)) is None
