"""False alarms without change, and what is found of changes, beside the peers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from msgspec.structs import replace

from benchmarks.frame.bench import Bench
from benchmarks.frame.measure import Samples
from benchmarks.frame.results import Bar
from benchmarks.monitoring.contenders import (
    DAILY,
    PEERS,
    Change,
    Findings,
    Found,
    Task,
    findings,
    require_same,
)

SIZES = (100, 1_000, 10_000, 100_000)
DAYWISE = {"independent rows": 0.0, "days that differ": 0.1}
STATED = 1 / 90
"""The share of windows without change that may alarm, as it is stated to Penstock."""
MOVED = 5
"""Columns of 50 that change."""
STILL: Change = (0.0, MOVED)


def reference_rows(window: int) -> int:
    """Rows of a day of the reference: as many as of a window, between a thousand and ten thousand."""
    return min(max(window, 1_000), 10_000)


def within(windows: int, stated: float = STATED) -> float:
    """The largest share of so many windows of which the exact 95 % interval holds the stated one or less."""
    count = 0
    while 1 - _below(count + 1, windows, stated) > 0.025:
        count += 1
    return count / windows


def _below(count: int, windows: int, share: float) -> float:
    """The chance of fewer than `count` of so many."""
    return sum(math.comb(windows, k) * share**k * (1 - share) ** (windows - k) for k in range(count))


def false_alarms(bench: Bench) -> None:
    """Windows in which nothing changed, of four sizes, of independent rows and of days that differ."""
    for kind, daily in DAYWISE.items():
        for size in SIZES[: 2 if bench.quick else None]:
            references, each = (1, 10) if bench.quick else (5, 40) if size < 100_000 else (2, 20)
            tasks = [
                Task(
                    seed=100 + s, rows=reference_rows(size), window=size, changes=[STILL] * each, daily=daily
                )
                for s in range(references)
            ]
            ours, why = findings(bench, tasks, DAILY)
            windows = references * each
            mine = _share(ours, why, lambda found: bool(found.columns))
            for peer in PEERS:
                fewer = min(each, 20 if size < 10_000 else 3)
                some = [replace(tasks[0], changes=[STILL] * fewer)]
                theirs, reason = findings(bench, some, peer)
                require_same(ours, theirs)
                bench.results.add(
                    f"false alarms, windows of {size:,}, {kind}",
                    "% of windows",
                    mine,
                    _share(theirs, reason, lambda found: bool(found.columns)),
                    peer.name,
                    peer.version(),
                    bar=Bar(at_most=round(100 * within(windows), 1)),
                    note=f"{windows} windows of {references} references; {peer.name}: {fewer}",
                )


def power(bench: Bench) -> None:
    """Windows in which five of fifty columns are off, by how much they must be to be found: each the first
    day of its change, which a system judges by itself.
    """
    for shift, size, daily in ((0.3, 1_000, 0.0), (0.1, 10_000, 0.0), (0.3, 1_000, 0.05)):
        references, each = (1, 4) if bench.quick else (4, 15)
        changed: Change = (shift, MOVED)
        tasks = [
            Task(
                seed=200 + s,
                rows=reference_rows(size),
                window=size,
                changes=[changed] * each,
                daily=daily,
                stream=1,
            )
            for s in range(references)
        ]
        ours, why = findings(bench, tasks, DAILY)
        what = f"{shift:g} spreads, windows of {size:,}" + (", days that differ" if daily else "")
        for peer in PEERS:
            fewer = min(each, 10 if size < 10_000 else 3)
            theirs, reason = findings(bench, [replace(tasks[0], changes=[changed] * fewer)], peer)
            require_same(ours, theirs)
            for missing, unit, missed in (
                ("windows without alarm", "% of windows", _nothing),
                ("columns not named", "% of columns", _columns),
            ):
                bench.results.add(
                    f"{missing}, {what}",
                    unit,
                    _share(ours, why, missed),
                    _share(theirs, reason, missed),
                    peer.name,
                    peer.version(),
                    bar=None if daily else Bar(at_most=5),
                    note=f"{references * each} windows; {peer.name}: {fewer}",
                )


def _share(found: Sequence[Findings], why: str, of: Callable[[Found], float]) -> Samples:
    """The share of windows, in per cent, as one number."""
    each = [float(of(window)) for stream in found for window in stream.windows]
    return Samples(values=[100 * sum(each) / len(each)] if each else [], error=why)


def _nothing(found: Found) -> float:
    return float(not found.columns)


def _columns(found: Found) -> float:
    return 1 - sum(f"n{index}" in found.columns for index in range(MOVED)) / MOVED
