"""A table held against what is expected of it, beside plain reading, Pandera and Great Expectations."""

from __future__ import annotations

from functools import partial

from benchmarks.features.bench import Bench, ours
from benchmarks.frame.environments import Environment, environment, version_of
from benchmarks.frame.results import Bar

ROWS, TRIED = 5_000_000, 100_000
TITLE = "profile and expectations of 5 M rows of 20 columns"
READING, PENSTOCK = "plain reading, Polars", "Penstock"
POLARS, PANDAS, GREAT = "Pandera, Polars", "Pandera, pandas", "Great Expectations"


def pandera() -> Environment:
    """Pandera with both of its engines."""
    return environment("features-pandera", "pandera[pandas,polars]==0.29.0", "pyarrow")


def great() -> Environment:
    """Great Expectations on pandas."""
    return environment("features-great", "great_expectations==1.11.0", "pyarrow", "setuptools<81")


def validation(bench: Bench) -> None:
    """Each from a Parquet file; the peers check the same and make no profile."""
    file = bench.folder / "table.parquet"
    bench.run(ours(), "validate_rows.py", str(file), str(TRIED if bench.quick else ROWS), timeout=600)
    makers = {READING: ours, PENSTOCK: ours, POLARS: pandera, PANDAS: pandera, GREAT: great}

    def once(name: str, _number: int) -> float:
        return float(bench.run(makers[name](), "validate.py", name, str(file), timeout=600)["seconds"])

    contenders = [
        bench.contender(name, partial(once, name), slow=name in {PANDAS, GREAT}, warm=name != GREAT)
        for name in makers
    ]
    taken = bench.take_turns("validation", contenders)
    packages = {READING: ("polars", ours), POLARS: ("pandera", pandera), PANDAS: ("pandera", pandera)}
    packages[GREAT] = ("great_expectations", great)
    bars = {READING: Bar(times=1 / 2.5), GREAT: Bar(times=4)}
    for name, (package, make) in packages.items():
        note = "" if name == READING else "expectations alone: it makes no profile"
        version = version_of(package, make)
        bench.results.add(
            TITLE, "s", taken[PENSTOCK], taken[name], name, version, bar=bars.get(name), note=note
        )
