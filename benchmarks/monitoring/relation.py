"""Streams in which the truth follows otherwise from the same inputs: how soon that is seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain

from benchmarks.frame.bench import Bench
from benchmarks.frame.measure import Samples
from benchmarks.frame.results import Bar
from benchmarks.monitoring.contenders import (
    Change,
    Contender,
    Findings,
    Found,
    Stream,
    evidently,
    findings,
    nannyml,
    require_same,
)
from benchmarks.monitoring.drift import within

OURS = Contender("Penstock", "", "penstock_relation.py", evidently)
PEERS = (
    Contender("Evidently", "evidently", "evidently_relation.py", evidently),
    Contender("NannyML", "nannyml", "nannyml_relation.py", nannyml),
)
ROWS, LONG, STILL = 500, 15, 90
NOTHING: Change = (0.0, 0)
FAMILIES = {"sea": ("SEA", 1.0), "hyperplane": ("hyperplane", 0.4)}
"""Streams by how they are called, and how far their relation moves: of SEA from 8 to 9, else an angle."""
MOVED: Change = (0.0, 1)
"""Inputs that are off, with the relation as it was."""


def kinds(amount: float) -> dict[str, list[Change]]:
    """Changes of the relation, by day."""
    return {
        "abrupt": [(amount, 0)] * LONG,
        "gradual": [(amount * (day + 1) / LONG * 2, 0) for day in range(LONG)],
        "recurring, 2 of 5 days": [(amount * (day % 5 < 2), 0) for day in range(LONG)],
    }


def relation(bench: Bench) -> None:
    """Windows without change, and with changed inputs alone; then streams whose relation changes at once.

    As of inputs, peers are given the bound that one in ninety of their own windows without change exceeds.
    """
    streams, still, moved = (1, 10, 5) if bench.quick else (4, STILL, 30)
    for family, (name, amount) in FAMILIES.items():
        changing = kinds(amount)
        changes = list(chain([NOTHING] * still, [MOVED] * moved, *changing.values()))
        tasks = [
            Stream(family=family, seed=600 + seed, rows=ROWS, window=ROWS, changes=changes)
            for seed in range(streams)
        ]
        ours, why = findings(bench, tasks, OURS)
        for peer in PEERS:
            theirs, reason = findings(bench, tasks, peer)
            require_same(ours, theirs)
            bounds = [max(found.height for found in stream.windows[:still]) for stream in theirs]
            for what, start, count in (("nothing", 0, still), ("the inputs alone", still, moved)):
                share = _share(ours, start, count, lambda found: bool(found.columns))
                other = _share(theirs, start, count, lambda found: bool(found.columns))
                bench.results.add(
                    f"relation alarms where {what} changed, {name}",
                    "% of windows",
                    Samples(values=share, error=why),
                    Samples(values=other, error=reason),
                    peer.name,
                    peer.version(),
                    bar=None if start else Bar(at_most=round(100 * within(streams * count), 1)),
                    note=f"{streams * count} windows; {peer.name} with the bounds that it comes with",
                )
            for place, kind in enumerate(changing):
                begun = still + moved + place * LONG
                bench.results.add(
                    f"days until a changed relation is seen, {name}, {kind}",
                    "days",
                    Samples(values=_days(ours, begun, [1.0] * streams, by_height=False), error=why),
                    Samples(values=_days(theirs, begun, bounds, by_height=True), error=reason),
                    peer.name,
                    peer.version(),
                    bar=Bar(times=1),
                    note=f"{streams} streams of {LONG} days; later is counted as {LONG + 1}",
                )


def _share(found: Sequence[Findings], start: int, count: int, of: Callable[[Found], bool]) -> list[float]:
    each = [of(window) for stream in found for window in stream.windows[start : start + count]]
    return [100 * sum(each) / len(each)] if each else []


def _days(found: Sequence[Findings], begun: int, bounds: Sequence[float], *, by_height: bool) -> list[float]:
    days = []
    for stream, bound in zip(found, bounds, strict=False):
        windows = stream.windows[begun : begun + LONG]
        seen = [each.height > bound if by_height else bool(each.columns) for each in windows]
        days.append(float(seen.index(True) + 1 if True in seen else LONG + 1))
    return days
