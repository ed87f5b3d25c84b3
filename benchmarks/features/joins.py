"""Training rows joined in time, beside Feast and bare programs, with their memory; all give the same."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.features.bench import LIMIT, Bench, Case, feast, ours, same
from benchmarks.frame.environments import Failed
from benchmarks.frame.measure import Samples
from benchmarks.frame.results import Bar

LAYOUT, PARQUET = "from the store's own layout", "from plain Parquet"
FEAST, FILE = "Feast, DuckDB store", "Feast, file store"
DUCKDB, POLARS = "DuckDB ASOF", "Polars join_asof"
LARGE = Case(name="large", spine=1_000_000, rows=5_000_000, entities=100_000)
SMALL = Case(name="small", spine=17_000, rows=17_000, entities=2_000, features=90)
"""The shape of feast#3003: 17,000 rows of 37 megabytes."""
TRIED = Case(name="tried", spine=10_000, rows=50_000, entities=1_000)
GROWN = 10
"""How many times more rows the larger of two cases has."""

Told = dict[str, float]


def training(bench: Bench) -> None:
    """A million rows with 30 features of three views."""
    case = TRIED if bench.quick else LARGE
    folder = bench.data(case)
    took, peak = _joined(bench, case, (PARQUET, LAYOUT, FEAST, DUCKDB, POLARS))
    version = feast().version("feast")
    bars = {LAYOUT: 5.0, PARQUET: 1.5}
    for way, times in bars.items():
        title = f"training rows {way}"
        bench.results.add(title, "s", took[way], took[FEAST], FEAST, version, bar=Bar(times=times))
        bench.results.add(title, "s", took[way], _given_up(bench, folder), FILE, version)
        for name, package in ((DUCKDB, "duckdb"), (POLARS, "polars")):
            bench.results.add(title, "s", took[way], took[name], name, feast().version(package))
    title = "training rows: peak memory of the process"
    bench.results.add(f"{title}, {LAYOUT}", "MB", peak[LAYOUT], bar=Bar(at_most=1500))
    for name in (PARQUET, FEAST, DUCKDB, POLARS):
        bench.results.add(f"{title}, {LAYOUT}", "MB", peak[LAYOUT], peak[name], name)
    first = Samples(values=[bench.run(ours(), "penstock_join.py", "lay_out", str(folder))["seconds"]])
    bench.results.add("laying three views out, once", "s", first, note="5 M rows of 10 features each")


def small(bench: Bench) -> None:
    """A table that another tool took minutes and gigabytes for."""
    took, peak = _joined(bench, SMALL, (PARQUET, FEAST))
    title = "17,000 rows, 270 features (feast#3003)"
    version = feast().version("feast")
    bench.results.add(title, "s", took[PARQUET], took[FEAST], FEAST, version, bar=Bar(at_most=2))
    bench.results.add(f"{title}: peak memory", "MB", peak[PARQUET], peak[FEAST], FEAST, bar=Bar(at_most=500))


def growth(bench: Bench) -> None:
    """Ten times the rows, asked for and searched."""
    sizes = [
        Case(name=f"grown-{times}", spine=100_000 * times, rows=500_000 * times, entities=10_000 * times)
        for times in (1, GROWN)
    ]
    ways = (PARQUET, LAYOUT)
    took = [_joined(bench, case, ways)[0] for case in sizes]
    for way in ways:
        less, more = (each[way] for each in took)
        ratio = Samples(values=[m / s for s, m in zip(less.values, more.values, strict=True)])
        ratio.error = less.error or more.error
        title = f"growth: time of {GROWN} times the rows, {way}"
        bench.results.add(title, "times", ratio, bar=Bar(at_most=1.5 * GROWN), note="no more than linear")
    for case in sizes:
        bench.free(case)


def _joined(bench: Bench, case: Case, ways: tuple[str, ...]) -> tuple[dict[str, Samples], dict[str, Samples]]:
    """Seconds and megabytes by way, of processes that take turns and whose answers are compared."""
    folder = bench.data(case)
    bench.run(ours(), "penstock_join.py", "lay_out", str(folder))
    reference = folder / "reference.parquet"
    bench.run(ours(), "penstock_join.py", "parquet", str(folder), str(reference))
    peak = {way: Samples() for way in ways}

    def once(way: str, _number: int) -> float:
        result = folder / "result.parquet"
        told = _WAYS[way](bench, folder, result)
        same(reference, result)
        peak[way].values.append(told["peak"])
        return told["seconds"]

    # Each process has joined something before it is timed, so none needs a round that does not count.
    contenders = (bench.contender(way, partial(once, way), slow=True, warm=False) for way in ways)
    took = bench.take_turns(case.name, contenders)
    for way, samples in took.items():
        peak[way].error = samples.error
    return took, peak


def _penstock(way: str, bench: Bench, folder: Path, result: Path) -> Told:
    return bench.run(ours(), "penstock_join.py", way, str(folder), str(result))


def _feast(kind: str, bench: Bench, folder: Path, result: Path, timeout: float = 300.0) -> Told:
    words = ("join", str(folder), kind, str(result))
    return bench.run(feast(), "feast_store.py", *words, timeout=timeout)


def _bare(engine: str, bench: Bench, folder: Path, result: Path) -> Told:
    return bench.run(feast(), "prototypes.py", engine, str(folder), str(result))


_WAYS: dict[str, Callable[[Bench, Path, Path], Told]] = {
    LAYOUT: partial(_penstock, "layout"),
    PARQUET: partial(_penstock, "parquet"),
    FEAST: partial(_feast, "duckdb"),
    DUCKDB: partial(_bare, "duckdb"),
    POLARS: partial(_bare, "polars"),
}


def _given_up(bench: Bench, folder: Path) -> Samples:
    """Feast's own file store, ended at a limit."""
    try:
        told = _feast("file", bench, folder, folder / "by-file.parquet", LIMIT)
    except Failed as error:
        return Samples(error=str(error))
    return Samples(values=[told["seconds"]])
