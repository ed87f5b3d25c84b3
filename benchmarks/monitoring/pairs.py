"""Windows in which columns have less in common than they had, while each is by itself as it was."""

from __future__ import annotations

from msgspec.structs import replace

from benchmarks.frame.bench import Bench
from benchmarks.frame.measure import Samples
from benchmarks.frame.results import Bar
from benchmarks.monitoring.contenders import (
    DAILY,
    EVIDENTLY,
    Change,
    Contender,
    Findings,
    Task,
    findings,
    nannyml,
    require_same,
)
from benchmarks.monitoring.drift import within

PEERS = (EVIDENTLY, Contender("NannyML", "nannyml", "nannyml_pairs.py", nannyml))
APART = 2
"""Numbers of 40 that have nothing in common with the others any more."""
CHANGES: tuple[Change, ...] = ((0.0, APART), (1.0, APART))


def pairs(bench: Bench) -> None:
    """Windows without change and with numbers that came apart, of independent rows and days that differ."""
    references, each = (1, 4) if bench.quick else (2, 40)
    for kind, daily in {"independent rows": 0.0, "days that differ": 0.05}.items():
        tasks = [
            Task(
                seed=700 + seed,
                rows=1_000,
                window=1_000,
                changes=[change for change in CHANGES for _ in range(each)],
                daily=daily,
                off="apart",
                stream=1,
            )
            for seed in range(references)
        ]
        ours, why = findings(bench, tasks, DAILY)
        for peer in PEERS:
            fewer = min(each, 10)
            few = [replace(tasks[0], changes=[change for change in CHANGES for _ in range(fewer)])]
            theirs, reason = findings(bench, few, peer)
            require_same(ours, [replace(one, marks=one.marks[: fewer + 1]) for one in theirs])
            for place, what in enumerate(("pairs, alarms where nothing changed", "pairs, changes not seen")):
                stated = round(100 * within(references * each), 1)
                bench.results.add(
                    f"{what}, {kind}",
                    "% of windows",
                    Samples(values=_share(ours, place, missed=place == 1), error=why),
                    Samples(values=_share(theirs, place, missed=place == 1), error=reason),
                    peer.name,
                    peer.version(),
                    bar=Bar(at_most=5 if place else stated),
                    note=f"{references * each} windows; {peer.name}: {fewer}",
                )


def _share(found: list[Findings], half: int, *, missed: bool) -> list[float]:
    """The per cent of windows of the first or the second half that alarm, or do not."""
    each = []
    for one in found:
        middle = len(one.windows) // 2
        windows = one.windows[middle:] if half else one.windows[:middle]
        each += [bool(window.columns) is not missed for window in windows]
    return [100 * sum(each) / len(each)] if each else []
