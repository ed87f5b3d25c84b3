"""Training rows in partitions beside those made at once: memory and the time of the processor."""

from __future__ import annotations

from benchmarks.features.bench import Bench, Case, ours
from benchmarks.frame.environments import Failed
from benchmarks.frame.measure import Samples
from benchmarks.frame.results import Bar

PARTITIONS = 8
HOUR = 3600.0


def parted(rows: int, bench: Bench) -> None:
    """So many source rows of three views, joined by a spine of a 7.5th as many, a fifth of it held out."""
    case = Case(name=f"parted-{rows}", spine=rows * 2 // 15, rows=rows // 3, entities=1_000_000, features=3)
    folder = bench.data(case)
    many, one = (
        bench.run(ours(), "penstock_parted.py", str(folder), str(parts), timeout=HOUR)
        for parts in (PARTITIONS, 1)
    )
    bench.free(case)
    if many["rows"] != one["rows"]:
        raise Failed(f"{many['rows']:,} rows to train on in partitions, {one['rows']:,} at once")
    title = f"{rows:,} source rows in {PARTITIONS} partitions"
    for name, unit, measure, bar in (
        ("peak memory", "MB", "peak", Bar(times=1)),
        ("processor", "s", "seconds", None),
    ):
        taken = (Samples(values=[told[measure]]) for told in (many, one))
        bench.results.add(f"{title}: {name}", unit, *taken, "at once", bar=bar, note="three views, once")
