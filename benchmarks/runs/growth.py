"""Long histories: the best of 10,000 runs, and whether a hundred times the history makes anything slower."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import httpx

from benchmarks.frame.environments import penstock, version_of
from benchmarks.frame.measure import Once, seed, timed
from benchmarks.frame.results import Bar
from benchmarks.runs.bench import Bench
from benchmarks.runs.peers import PENSTOCK
from benchmarks.runs.servers import mlflow, mlflow_env, up

SHORT = 100
ONCE_DONE = 901
"""A round that there is not, and so a seed of its own."""
LOOKS = 20
PAGES = {
    "best run by a metric, HTTP": "/runs.json?order=score&limit=1",
    "newest 20 runs, HTTP": "/runs.json?limit=20",
    "one run, HTTP": "/runs/{run}.json",
    "overview, HTTP": "/",
}


def search(bench: Bench) -> None:
    """The run with the best metric among many, each library on its own store."""
    state, folder = _with_history(bench, bench.runs), bench.folder / "mlflow-history"

    def theirs(_number: int) -> list[float]:
        said = partial(_said, folder=state / "programs", env=mlflow_env(folder))
        command = [mlflow().python, "mlflow_history.py", str(folder)]
        if not folder.exists():
            folder.mkdir()
            said(command, str(bench.runs))
        return said(command, "best")

    title = f"best of {bench.runs:,} runs by a metric"
    turns = (
        bench.contender(PENSTOCK.name, partial(_best, state)),
        bench.contender("MLflow", theirs, slow=True),
    )
    taken = bench.take_turns(title, turns)
    bench.results.add(
        title, "ms", taken[PENSTOCK.name], taken["MLflow"],
        "MLflow, direct", version_of("mlflow", mlflow), bar=Bar(times=50),
        note="each from Python on its SQLite store, the run with its metrics and parameters",
    )  # fmt: skip


def growth(bench: Bench) -> None:
    """The same things done beside a short history and a long one."""
    states = {count: _with_history(bench, count) for count in (SHORT, bench.runs)}
    with ExitStack() as stack:
        clients = {}
        for count, state in states.items():
            server = stack.enter_context(up(state, state / "home"))
            clients[count] = stack.enter_context(httpx.Client(base_url=server.url, timeout=60))
        for title, path in PAGES.items():
            _compare(
                bench, title, "ms", {n: partial(_looks, client, path, n) for n, client in clients.items()}
            )
    _compare(bench, "best by a metric", "ms", {n: partial(_best, state) for n, state in states.items()})
    runs = {n: partial(PENSTOCK.run, "chain_10", state=state) for n, state in states.items()}
    _compare(bench, "chain of 10 steps", "s", runs)
    _compare(
        bench, "re-run of 10 cached steps", "s", {n: partial(_again, state) for n, state in states.items()}
    )


def _compare(bench: Bench, title: str, unit: str, once: dict[int, Once]) -> None:
    taken = bench.take_turns(title, (bench.contender(f"{n:,} runs", do) for n, do in once.items()))
    few, many = taken.values()
    bench.results.add(
        f"growth: {title}", unit, many, few, f"Penstock, {SHORT} runs", bar=Bar(times=1 / 1.5),
        note=f"ours: with {bench.runs:,} runs of 10 steps in the store",
    )  # fmt: skip


def _with_history(bench: Bench, count: int) -> Path:
    """A state folder whose home has seen many runs."""
    state = bench.state(f"history-{count}")
    if not (state / "home").exists():
        PENSTOCK.run("chain_10", seed(ONCE_DONE), state)
        command = [penstock().python, "penstock_history.py", str(state / "home")]
        _said(command, str(count), folder=state / "programs", env=PENSTOCK.env(state))
    return state


def _best(state: Path, _number: int) -> list[float]:
    command = [penstock().python, "penstock_history.py", str(state / "home")]
    return _said(command, "best", folder=state / "programs", env=PENSTOCK.env(state))


def _again(state: Path, _number: int) -> float:
    command = PENSTOCK.command(penstock(), "chain_10", seed(ONCE_DONE), state)
    return timed(command, folder=state / "programs", env=PENSTOCK.env(state))[0]


def _looks(client: httpx.Client, path: str, run: int, _number: int) -> list[float]:
    taken = []
    for _ in range(LOOKS):
        started = time.perf_counter()
        client.get(path.format(run=run)).raise_for_status()
        taken.append((time.perf_counter() - started) * 1000)
    return taken


def _said(command: list[str], *more: str, folder: Path, env: dict[str, str]) -> list[float]:
    """The numbers in the last line that a program prints."""
    lines = timed([*command, *more], folder=folder, env=env)[1].strip().splitlines()
    found: list[float] = json.loads(lines[-1])
    return found
