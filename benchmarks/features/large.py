"""Sources larger than memory: a join of three views whose rows lie in a file for each day."""

from __future__ import annotations

from pathlib import Path

from benchmarks.features.bench import Bench, Case, ours, same
from benchmarks.frame.measure import Samples
from benchmarks.frame.report import say
from benchmarks.frame.results import Bar

TENTH = 10
HOUR = 3600.0
FEATURES = 3


def case_of(rows: int) -> Case:
    """A case with so many source rows in all."""
    return Case(name=f"days-{rows}", spine=1_000_000, rows=rows // 3, entities=1_000_000, features=FEATURES)


def large(rows: int, bench: Bench) -> None:
    """So many source rows, and a tenth of them: whether time grows in line, and memory does not.

    The tenth is also joined from the store's own layout, which must give the same.
    """
    taken = {}
    for many in (rows // TENTH, rows):
        case = case_of(many)
        folder = bench.data(case, "days.py")
        size = sum(file.stat().st_size for file in folder.rglob("*.parquet")) / 1e9
        say(f"{many:,} rows, {size:.1f} GB of Parquet")
        result = folder / "result.parquet"
        taken[many] = bench.run(ours(), "penstock_join.py", "parquet", str(folder), str(result), timeout=HOUR)
        if many < rows:
            _again(bench, folder, result)
        bench.free(case)
    less, more = taken.values()
    title = f"{rows:,} source rows in files by day, 1 M rows asked for"
    bench.results.add(title, "s", Samples(values=[more["seconds"]]), note="three views of 3 features, once")
    ratio = Samples(values=[more["seconds"] / less["seconds"]])
    bench.results.add(f"{title}: times a tenth's", "times", ratio, bar=Bar(at_most=1.5 * TENTH))
    peaks = (Samples(values=[told["peak"]]) for told in (more, less))
    bench.results.add(f"{title}: peak memory", "MB", *peaks, "a tenth of the rows", bar=Bar(times=0.5))


def _again(bench: Bench, folder: Path, result: Path) -> None:
    second = folder / "second.parquet"
    bench.run(ours(), "penstock_join.py", "lay_out", str(folder), timeout=HOUR)
    bench.run(ours(), "penstock_join.py", "layout", str(folder), str(second), timeout=HOUR)
    same(result, second)
