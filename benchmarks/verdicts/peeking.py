"""Simulated tests that are looked at after every label: ours beside t-tests that are simply made again."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from benchmarks.frame.bench import Bench
from benchmarks.frame.measure import Samples
from benchmarks.frame.results import Bar
from penstock.checks.sequential import ALPHA, bernstein, gaussian, in_blocks

Numbers = NDArray[np.float64]
Draw = Callable[[np.random.Generator, float, int], Numbers]
Bounds = Callable[[Numbers], tuple[Numbers, Numbers]]
SEED = 20130301
TESTS, BLOCKS = 2000, 5000
OURS = "Penstock"
SHARES = (50, 20, 5)
FIRST_LOOK = 30
"""Blocks before which nobody would make a t-test."""
PEERS = {"t-test at every label": 1, "t-test at every 500th label": 500}
"""Looks, by how many labels lie between them."""

LOSSES: dict[str, tuple[Draw, Bounds]] = {
    "accuracy": (lambda rng, mean, size: (rng.random(size) < mean).astype(np.float64), bernstein),
    "brier": (lambda rng, mean, size: rng.beta(1, 1 / mean - 1, size), bernstein),
    "mae, exponential": (lambda rng, mean, size: rng.exponential(mean, size), gaussian),
    "mae, long tail": (lambda rng, mean, size: mean * rng.lognormal(-0.5, 1.0, size), gaussian),
}
"""Losses with a given mean, and the bounds that tests in production judge them by."""


def first_verdict(low: Numbers, high: Numbers) -> float:
    """After how many blocks bounds leave 0 out; never is infinity."""
    out = np.flatnonzero((low > 0) | (high < 0))
    return float(out[0] + 1) if len(out) else np.inf


def t_tests(values: Numbers, every: int) -> tuple[Numbers, Numbers]:
    """The 95 % interval of a t-test after every so many blocks, as anybody computes it."""
    t = np.arange(1, len(values) + 1)
    means = np.cumsum(values) / t
    spread = np.sqrt(np.maximum(np.cumsum(values**2) / t - means**2, 0) * t / np.maximum(t - 1, 1))
    width = np.where((t >= FIRST_LOOK) & (t % every == 0), 1.96 * spread / np.sqrt(t), np.inf)
    return means - width, means + width


def simulated(bench: Bench, loss: str, share: int, means: tuple[float, float]) -> dict[str, list[float]]:
    """The blocks after which ours and the peers give a verdict, of every test."""
    draw, bounds = LOSSES[loss]
    rng = np.random.default_rng([SEED, share, *loss.encode()])
    each, blocks = round((100 - share) / share), BLOCKS // 5 if bench.quick else BLOCKS
    found: dict[str, list[float]] = {name: [] for name in (OURS, *PEERS)}
    for _ in range(TESTS // 20 if bench.quick else TESTS):
        challenger, champion = draw(rng, means[0], blocks), draw(rng, means[1], blocks * each)
        differences = in_blocks(challenger, champion, share)
        found[OURS].append(first_verdict(*bounds(differences)))
        for name, every in PEERS.items():
            found[name].append(first_verdict(*t_tests(differences, every)))
    return found


def equals(bench: Bench) -> None:
    """Two versions that are equally good: how many tests tell them apart all the same."""
    for loss in LOSSES:
        for share in SHARES:
            found = simulated(bench, loss, share, (0.2, 0.2))
            told = {name: Samples(values=[100 * float(np.isfinite(v).mean())]) for name, v in found.items()}
            for peer in PEERS:
                bench.results.add(
                    f"equals told apart, {loss}, {share} %",
                    "% of tests",
                    told[OURS],
                    told[peer],
                    peer,
                    bar=Bar(at_most=100 * ALPHA),
                )


def labels_needed(bench: Bench) -> None:
    """A version that is worse: after how many of its labels half of all tests say so."""
    for loss in LOSSES:
        for worse in (0.4, 0.3, 0.25):
            ours = simulated(bench, loss, 20, (worse, 0.2))[OURS]
            known = 100 * float(np.mean(np.isfinite(ours)))
            some = Samples(values=[float(np.median(ours))]) if known > 50 else Samples(error="fewer ever do")
            bench.results.add(
                f"labels until half of the tests know, {loss}, {worse:g} beside 0.2",
                "labels",
                some,
                note=f"{known:.0f} % know in the end",
            )
