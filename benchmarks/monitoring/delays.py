"""How soon changes are seen, beside the peers, of sizes that one of these takes some days to see.

`python -m benchmarks.monitoring.delays` tells how the sizes were found.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path
from statistics import median

from msgspec.structs import replace

from benchmarks.frame.bench import Bench
from benchmarks.frame.measure import Samples
from benchmarks.frame.report import say
from benchmarks.frame.results import QUICK, Bar, Results
from benchmarks.monitoring.contenders import (
    DAILY,
    EVIDENTLY,
    PEERS,
    Change,
    Contender,
    Findings,
    Task,
    findings,
    require_same,
)
from benchmarks.monitoring.drift import MOVED, STILL

ROWS, DAILY_SPREAD, STREAMS, LONG, WITHOUT = 500, 0.05, 6, 15, 90
"""Rows of a day, the spread of days, streams of each kind, days of a stream, and windows without change."""
Kind = Callable[[float], list[Change]]
EVERY = "all of these"


def steady(columns: int) -> Kind:
    """So many columns are off by as much on each day."""
    return lambda size: [(size, columns)] * LONG


def growing(size: float) -> list[Change]:
    """Five columns are off by as much more on each day."""
    return [(size * (day + 1), MOVED) for day in range(LONG)]


def recurring(size: float) -> list[Change]:
    """Five columns are off on two of five days."""
    return [(size * (day % 5 < 2), MOVED) for day in range(LONG)]


KINDS: dict[str, tuple[Kind, float]] = {
    "abrupt, {:g} spreads in 5 of 50 columns": (steady(MOVED), 0.165),
    "abrupt, {:g} spreads in 25 of 50 columns": (steady(25), 0.126),
    "gradual, {:g} spreads a day more in 5 of 50": (growing, 0.054),
    "recurring, {:g} spreads in 5 of 50 for 2 of 5 days": (recurring, 0.18),
}
"""Kinds of change by their size, which is one that Evidently sees after 5, 3.5, 4.5 and 2 days in the median
(see `sizes`; of the last no size that was tried is within a day of 4: 0.16 takes it 9). Where everybody sees
a change on its first day, nothing is told.
"""
LADDER = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.4, 1.6)
"""The sizes that were tried, as shares of the middle one of each kind."""
MIDDLE = (0.15, 0.14, 0.06, 0.2)


def delay(bench: Bench) -> None:
    """Streams with a change from their first day on: after how many days it is seen.

    Peers are given the bound that one in ninety of their own windows without change exceeds.
    """
    kinds = {name.format(size): kind(size) for name, (kind, size) in KINDS.items()}
    tasks = _tasks(list(kinds.values()), 1 if bench.quick else STREAMS)
    ours, why = findings(bench, tasks, DAILY)
    for peer in PEERS:
        bound, reason = _bound(bench, peer)
        theirs: list[Findings] = []
        if not reason:
            theirs, reason = findings(bench, [replace(task, enough=bound) for task in tasks], peer)
        require_same(ours, theirs)
        mine = {kind: _days(ours, place) for place, kind in enumerate(kinds)}
        others = {kind: _days(theirs, place, bound) for place, kind in enumerate(kinds)}
        mine[EVERY], others[EVERY] = (list(chain(*each.values())) for each in (mine, others))
        for kind, days in mine.items():
            bench.results.add(
                f"days until a change is seen, {kind}",
                "days",
                Samples(values=days, error=why),
                Samples(values=others[kind], error=reason),
                peer.name,
                peer.version(),
                bar=Bar(times=2 if peer is EVIDENTLY else 1),
                note=f"{len(days)} streams of {LONG} days; later is counted as {LONG + 1}",
            )


def sizes(bench: Bench) -> None:
    """Tell after how many days Evidently sees each size of each kind: nobody else is asked."""
    bound, reason = _bound(bench, EVIDENTLY)
    say(reason or f"of {WITHOUT} windows without change the highest is {bound:.3f} of its bound")
    for (name, (kind, _)), middle in zip(KINDS.items(), MIDDLE, strict=True):
        low, high = 0, len(LADDER) - 1
        while low <= high:  # larger changes are not seen later: a bisection
            tried = (low + high) // 2
            size = round(middle * LADDER[tried], 3)
            tasks = [replace(task, enough=bound) for task in _tasks([kind(size)], STREAMS)]
            found, reason = findings(bench, tasks, EVIDENTLY)
            days = _days(found, 0, bound)
            say(reason or f"{name.format(size)}: {median(days):g} days in the median of {days}")
            if not days or abs(median(days) - SOUGHT) <= 1:
                break
            low, high = (tried + 1, high) if median(days) > SOUGHT else (low, tried - 1)


SOUGHT = 4
"""Days after which Evidently is to see a change, one more or less."""


def _tasks(kinds: Sequence[list[Change]], streams: int) -> list[Task]:
    changes = [change for kind in kinds for change in kind]
    return [
        Task(
            seed=300 + stream,
            rows=ROWS,
            window=ROWS,
            changes=changes,
            daily=DAILY_SPREAD,
            stream=LONG,
        )
        for stream in range(streams)
    ]


def _bound(bench: Bench, peer: Contender) -> tuple[float, str]:
    """How far the furthest of its windows without change is beyond its bound, or why nobody knows."""
    [task] = _tasks([[STILL] * (10 if bench.quick else WITHOUT)], 1)
    found, reason = findings(bench, [replace(task, seed=299, stream=len(task.changes))], peer)
    return max((each.height for each in found[0].windows), default=1.0) if found else 1.0, reason


def _days(found: Sequence[Findings], place: int, bound: float | None = None) -> list[float]:
    """The day on which each stream's change of a kind is seen, by a bound or by what is said of columns."""
    days = []
    for stream in found:
        windows = stream.windows[place * LONG :][:LONG]
        seen = [bool(each.columns) if bound is None else each.height > bound for each in windows]
        days.append(float(seen.index(True) + 1 if True in seen else LONG + 1))
    return days


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        kept = Results("monitoring", "", QUICK, keep=True)
        sizes(Bench(folder=Path(folder), results=kept, quick="--quick" in sys.argv))
