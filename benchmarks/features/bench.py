"""What this area is given beside what each is: cases of data, and programs that are run on them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.frame import bench
from benchmarks.frame.environments import ROOT, Environment, Failed, environment, this_tree
from benchmarks.frame.measure import surroundings, timed

PROGRAMS = Path(__file__).parent / "programs"
LIMIT = 60.0
"""Seconds after which a tool that is known not to end is given up."""


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """How many rows are asked for, of how many views with how many features, from how many rows of each."""

    name: str
    spine: int
    views: int = 3
    rows: int
    entities: int
    features: int = 10


def ours() -> Environment:
    """This tree's Penstock."""
    return this_tree("features-penstock", str(ROOT))


def feast() -> Environment:
    """Feast with its DuckDB store, and what the bare programs need."""
    return environment("features-feast", "feast[duckdb,redis]==0.67.0", "polars", "psutil")


class Bench(bench.Bench, frozen=True, kw_only=True):
    """A run of the benchmarks of features."""

    def data(self, case: Case, program: str = "rows.py") -> Path:
        """The folder of a case, whose files are made when they are first asked for."""
        folder = self.folder / case.name
        if not (folder / "made").exists():
            sizes = (case.spine, case.views, case.rows, case.entities, case.features)
            self.run(ours(), program, str(folder), *map(str, sizes), timeout=3600)
            (folder / "made").touch()
        return folder

    def run(self, made: Environment, program: str, *words: str, timeout: float = 300.0) -> dict[str, Any]:
        """Run a program; gives what it tells, if anything. Raises Failed."""
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        command = [made.python, str(PROGRAMS / program), *words]
        _, said = timed(command, folder=PROGRAMS, env=surroundings(home, {}), timeout=timeout)
        told = [line for line in said.splitlines() if line.startswith("{")]
        return json.loads(told[-1]) if told else {}

    def free(self, case: Case) -> None:
        """Let go of the files of a case."""
        shutil.rmtree(self.folder / case.name, ignore_errors=True)


def same(first: Path, second: Path) -> None:
    """Raises Failed where two results are not the same rows, whatever the order of rows and columns."""
    import polars as pl

    one, other = (pl.read_parquet(file).sort("row") for file in (first, second))
    names = sorted(name for name in one.columns if name.startswith("f"))
    missing = [name for name in names if name not in other.columns]
    if missing or one.height != other.height:
        raise Failed(f"another answer: {other.height:,} rows of {one.height:,}, without {missing[:3]}")
    for name in names:
        unequal = one[name].ne_missing(other[name].cast(one.schema[name])).sum()
        if unequal:
            raise Failed(f"another answer: {unequal:,} of {one.height:,} values of {name} differ")
