"""Requests to the same model behind each server, one after another in turn."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

from benchmarks.frame.bench import Bench
from benchmarks.frame.environments import Failed
from benchmarks.frame.measure import Samples, surroundings, timed
from benchmarks.frame.report import say
from benchmarks.frame.results import Bar
from benchmarks.frame.servers import resident
from benchmarks.serving.load import Measured, ask
from benchmarks.serving.servers import (
    FASTAPI,
    LITSERVE,
    MLFLOW,
    MLSERVER,
    PEERS,
    PROGRAMS,
    Live,
    Peer,
    ours,
    peer_up,
    penstock_up,
)

SECONDS = 4.0
TITLES = {"a": "A, a line on 20 numbers", "b": "B, a forest on 24 columns"}
SIZES = (1, 100)
NOTE = "microseconds for an answer at 32 connections, one process"
BARS = {
    ("a", 1): {MLFLOW.name: 120, MLSERVER.name: 20, FASTAPI.name: 30},
    ("a", 100): {MLFLOW.name: 40, MLSERVER.name: 8},
    ("b", 1): {MLFLOW.name: 150, MLSERVER.name: 60, LITSERVE.name: 40},
}
"""How many times faster."""
Up = Callable[[], AbstractContextManager[Live]]


def model_a(bench: Bench) -> None:
    """A scaler and a logistic regression."""
    _model(bench, "a")


def model_b(bench: Bench) -> None:
    """A forest behind encoders."""
    _model(bench, "b")


def models(bench: Bench) -> Path:
    """The folder of the trained models."""
    if not (bench.folder / "a.joblib").exists():
        program = [ours().python, str(PROGRAMS / "models.py"), str(bench.folder)]
        timed(program, folder=bench.folder, env=surroundings(bench.folder, {}))
    return bench.folder


def _model(bench: Bench, model: str) -> None:
    folder = models(bench)
    rows = json.loads((folder / "rows.json").read_text(encoding="utf-8"))
    rows = [
        {name: value for name, value in row.items() if model == "b" or name.startswith("x")} for row in rows
    ]
    mine = _measured(bench, "Penstock", partial(penstock_up, folder, model), rows)
    title = TITLES[model]
    bench.results.add(f"{title}: memory", "MB", mine["memory"], bar=Bar(at_most=150))
    bench.results.add(f"{title}: p99 at half of its rate", "ms", mine["p99"], bar=Bar(at_most=3))
    for peer in PEERS:
        theirs = _measured(bench, peer.name, partial(peer_up, peer, folder, model), rows)
        _compare(bench, model, peer, mine, theirs)


def _compare(
    bench: Bench, model: str, peer: Peer, mine: dict[str, Samples], theirs: dict[str, Samples]
) -> None:
    title = TITLES[model]
    for size in SIZES:
        times = BARS.get((model, size), {}).get(peer.name)
        bar = Bar(times=times) if times else None
        name, about = f"{title}: {size} row{'s' * (size > 1)}", (peer.name, peer.version())
        bench.results.add(name, "µs", mine[f"{size}"], theirs[f"{size}"], *about, bar=bar, note=NOTE)
    for what, unit in (("memory", "MB"), ("start", "s")):
        bench.results.add(f"{title}: {what}", unit, mine[what], theirs[what], peer.name, peer.version())


def _measured(bench: Bench, name: str, up: Up, rows: list[dict[str, object]]) -> dict[str, Samples]:
    """What was measured of a server: microseconds for an answer by rows, start, memory, p99 at half rate."""
    found = {what: Samples() for what in (*map(str, SIZES), "start", "memory", "p99")}
    try:
        began = time.perf_counter()
        with up() as live:
            found["start"].values.append(time.perf_counter() - began)
            for size in SIZES:
                ask(live.url, live.body(rows[:size]), bench.folder, 1)
                for number in range(bench.rounds):
                    told = _asked(live, rows[:size], bench.folder)
                    say(f"{name}, {size} rows, round {number + 1}: {told.rate:,.0f}/s")
                    found[str(size)].values.append(1e6 / told.rate)
            one = live.body(rows[:1])
            few = [ask(live.url, one, bench.folder, SECONDS, connections=8).p99 for _ in range(bench.rounds)]
            found["p99"].values += few
            found["memory"].values.append(resident(live.pid)[0])
    except Failed as error:
        for samples in found.values():
            samples.error = str(error)
    return found


def _asked(live: Live, rows: list[dict[str, object]], folder: Path) -> Measured:
    """Ask for a while. Raises Failed when any answer is an error."""
    told = ask(live.url, live.body(rows), folder, SECONDS)
    if told.failed:
        raise Failed(f"{told.failed} of its answers were errors")
    return told
