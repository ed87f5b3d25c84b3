"""The environment of a release from its lock, with a warm cache."""

from __future__ import annotations

import shutil
from pathlib import Path

from benchmarks.builds.flights import EXAMPLE, cache
from benchmarks.frame.bench import Bench
from benchmarks.frame.environments import penstock, version_of
from benchmarks.frame.measure import surroundings, timed
from benchmarks.frame.results import Bar

PROGRAM = str(Path(__file__).parent / "programs" / "environment.py")
NAME, PEER = "environment from the lock", "uv sync"


def environments(bench: Bench) -> None:
    """Penstock's own function in a process that has imported it, and uv's command."""
    folder = bench.folder / "environment"
    shutil.copytree(EXAMPLE, folder / "checkout", ignore=shutil.ignore_patterns("data", ".venv"))
    env = surroundings(folder, {"UV_CACHE_DIR": cache()})

    def ours(_seed: int) -> float:
        command = [penstock().python, PROGRAM, str(folder / "home"), str(folder / "checkout")]
        return float(timed(command, folder=folder, env=env)[1])

    def theirs(_seed: int) -> float:
        shutil.rmtree(folder / "venv", ignore_errors=True)
        command = [penstock().program("uv"), "sync", "--frozen", "--no-install-project", "--quiet"]
        place = {"UV_PROJECT_ENVIRONMENT": str(folder / "venv")}
        return timed(command, folder=folder / "checkout", env=env | place)[0]

    found = bench.take_turns(NAME, [bench.contender("Penstock", ours), bench.contender(PEER, theirs)])
    note = "with Penstock and what it needs; theirs is what the lock holds"
    version = version_of("uv", penstock)
    bar = Bar(at_most=0.6)
    bench.results.add(NAME, "s", found["Penstock"], found[PEER], PEER, version, bar=bar, note=note)
