"""Requests to the same model behind each server, asked in turn, all others paused meanwhile."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path

from benchmarks.frame.bench import Bench
from benchmarks.frame.environments import Failed
from benchmarks.frame.measure import Samples, surroundings, timed
from benchmarks.frame.report import say
from benchmarks.frame.results import Bar
from benchmarks.frame.servers import go_on, pause, resident
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
    hello_up,
    ours,
    peer_up,
    penstock_up,
)

SECONDS = 2.0
FEW = (1, 2, 4, 8)
"""Connections, some of which have about half of Penstock's largest rate."""
WARM = 1.0
"""Seconds for which a server is asked, uncounted, when it goes on."""
OURS, UNLOGGED, HELLO = "Penstock", "without the log", "hello world"
WHOLE = ("start", "memory", "p99")
TITLES = {"a": "A, a line on 20 numbers", "b": "B, a forest on 24 columns"}
SIZES = (1, 100)
CALM = f"at that of {', '.join(map(str, FEW))} connections that have about half of the rate of 32"
SAME = "a constant answer to the same request"
_HELLO = {"a": Bar(times=0.35)}
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
    ups: dict[str, Up] = {
        OURS: partial(penstock_up, folder, model),
        UNLOGGED: partial(penstock_up, folder, model, 0),
        HELLO: partial(hello_up, folder),
    }
    ups |= {peer.name: partial(peer_up, peer, folder, model) for peer in PEERS if not peer.alone}
    found = _in_turns(bench, ups, rows)
    for peer in PEERS:
        if peer.alone:
            found |= _in_turns(bench, {peer.name: partial(peer_up, peer, folder, model)}, rows)
    mine = found[OURS]
    title = TITLES[model]
    bench.results.add(f"{title}: start", "s", mine["start"], bar=Bar(at_most=1.5))
    bench.results.add(f"{title}: memory", "MB", mine["memory"], bar=Bar(at_most=150))
    bench.results.add(f"{title}: p99 at half of its rate", "ms", mine["p99"], bar=Bar(at_most=3), note=CALM)
    one, log, hello = f"{title}: 1 row", found[UNLOGGED]["1"], found[HELLO]["1"]
    bench.results.add(one, "µs", mine["1"], hello, f"{HELLO} on its HTTP", bar=_HELLO.get(model), note=SAME)
    bench.results.add(one, "µs", mine["1"], log, UNLOGGED, bar=Bar(times=1 / 1.15))
    for peer in PEERS:
        _compare(bench, model, peer, mine, found[peer.name])


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


def _in_turns(
    bench: Bench, ups: dict[str, Up], rows: list[dict[str, object]]
) -> dict[str, dict[str, Samples]]:
    """What was measured of servers that are all up, each asked in turn, the others paused meanwhile.

    Microseconds for an answer by rows, start, memory, and p99 at half rate, by server.
    """
    found = {name: {what: Samples() for what in (*map(str, SIZES), *WHOLE)} for name in ups}
    lives: dict[str, Live] = {}
    with ExitStack() as held:
        for name, up in ups.items():
            with _noting(name, found[name]):
                began = time.perf_counter()
                live = held.enter_context(up())
                found[name]["start"].values.append(live.start or time.perf_counter() - began)
                for size in SIZES:
                    _asked(live, rows[:size], bench.folder, WARM)
                lives[name] = live
                pause(live.pid)
        for _ in range(bench.rounds):
            for name, live in lives.items():
                go_on(live.pid)
                with _noting(name, found[name]):
                    _go_round(name, live, rows, bench.folder, found[name])
                pause(live.pid)
    return found


@contextmanager
def _noting(name: str, samples: dict[str, Samples]) -> Iterator[None]:
    """Note a failure as what came of a server."""
    try:
        yield
    except Failed as error:
        say(f"{name} failed: {error}")
        for each in samples.values():
            each.error = str(error)


def _go_round(
    name: str, live: Live, rows: list[dict[str, object]], folder: Path, samples: dict[str, Samples]
) -> None:
    _asked(live, rows[:1], folder, WARM)
    for size in SIZES:
        told = _asked(live, rows[:size], folder, SECONDS)
        say(f"{name}, {size} rows: {told.rate:,.0f}/s, p99 {told.p99:.2f} ms")
        samples[str(size)].values.append(1e6 / told.rate)
    if name == OURS:
        half = 0.5e6 / samples["1"].values[-1]
        every = [ask(live.url, live.body(rows[:1]), folder, SECONDS, connections=each) for each in FEW]
        calm = min(every, key=lambda told: abs(told.rate - half))
        say(f"{name}, 1 row at {calm.rate:,.0f}/s: p99 {calm.p99:.2f} ms")
        samples["p99"].values.append(calm.p99)
    samples["memory"].values.append(resident(live.pid)[0])


def _asked(live: Live, rows: list[dict[str, object]], folder: Path, seconds: float) -> Measured:
    """Ask for a while. Raises Failed when any answer is an error."""
    told = ask(live.url, live.body(rows), folder, seconds)
    if told.failed:
        raise Failed(f"{told.failed} of its answers were errors")
    return told
