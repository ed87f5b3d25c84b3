"""Metadata: a run, a metric and an alias, by the same calls on Penstock and on an MLflow server."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

import httpx

from benchmarks.frame.environments import Failed
from benchmarks.frame.measure import Once
from benchmarks.frame.report import say
from benchmarks.frame.results import Bar
from benchmarks.frame.servers import Server
from benchmarks.runs.bench import Bench
from benchmarks.runs.peers import PENSTOCK
from benchmarks.runs.servers import DEFAULT, TUNED, MLflow, posted, up

API = "/api/2.0/mlflow"
FILES = "/api/2.0/mlflow-artifacts/artifacts"
MODEL = "delay"
CALLS = 20
"""Calls a round."""
BARS = {DEFAULT: 10, TUNED: 3}
NOTES = {
    "create run": "POST runs/create; ours is in the ledger",
    "log metric": "POST runs/log-metric, another value of one metric",
    "set alias": "POST registered-models/alias, to the other of two versions; ours is in the ledger",
}
STARTS = 2
"""How often a server may try to come up: a busy machine is no fault of it."""
PATIENCE = 60.0
Call = tuple[str, dict[str, object]]
"""A path and what is posted there."""


def metadata(bench: Bench) -> None:
    """Measure all of it; a server that does not come up fails alone."""
    with ExitStack() as stack:
        ours = _attempted("penstock up", stack, partial(_ours, bench))
        theirs = {peer: _attempted(peer.name, stack, partial(_mlflow, bench, peer)) for peer in BARS}
        for what, note in NOTES.items():
            once = {PENSTOCK.name: ours[what], **{peer.name: calls[what] for peer, calls in theirs.items()}}
            taken = bench.take_turns(what, (bench.contender(name, turn) for name, turn in once.items()))
            for peer, times in BARS.items():
                bench.results.add(
                    what, "ms", taken[PENSTOCK.name], taken[peer.name], peer.name, peer.version(),
                    bar=Bar(times=times), note=note,
                )  # fmt: skip


def _attempted(name: str, stack: ExitStack, start: Callable[[ExitStack], dict[str, Once]]) -> dict[str, Once]:
    """The calls of a server that is kept up in `stack`, or such as say why it did not come up."""
    for _ in range(STARTS):
        say(f"starting {name}")
        try:
            with ExitStack() as own:
                calls = start(own)
                stack.push(own.pop_all())
                return calls
        except Failed as error:
            reason = str(error)
            say(f"{name} failed: {reason}")

    def fails(_number: int) -> list[float]:
        raise Failed(reason)

    return dict.fromkeys(NOTES, fails)


def _ours(bench: Bench, stack: ExitStack) -> dict[str, Once]:
    folder = bench.folder / "penstock-metadata"
    return _told_to(stack.enter_context(up(folder, folder / "home")))


def _mlflow(bench: Bench, peer: MLflow, stack: ExitStack) -> dict[str, Once]:
    return _told_to(stack.enter_context(peer.up(bench.folder / peer.name)))


def _told_to(server: Server) -> dict[str, Once]:
    """The calls, on a server that has a run with a file and a model with two versions made of it."""
    started = {"experiment_id": "0", "start_time": _now()}
    with httpx.Client(base_url=server.url, timeout=PATIENCE) as client:
        info = posted(client, f"{API}/runs/create", started)["run"]["info"]
        run_id, place = info["run_id"], info["artifact_uri"].removeprefix("mlflow-artifacts:/")
        client.put(f"{FILES}/{place}/model/weights", content=b"0").raise_for_status()
        posted(client, f"{API}/registered-models/create", {"name": MODEL})
        for _ in range(2):
            version = {"name": MODEL, "source": f"{info['artifact_uri']}/model", "run_id": run_id}
            posted(client, f"{API}/model-versions/create", version)

    def run(_i: int) -> Call:
        return f"{API}/runs/create", started

    def metric(i: int) -> Call:
        value = {"key": "loss", "value": 1 / i, "timestamp": _now(), "step": i}
        return f"{API}/runs/log-metric", {"run_id": run_id, **value}

    def alias(i: int) -> Call:
        named = {"name": MODEL, "alias": "favourite", "version": str(1 + i % 2)}
        return f"{API}/registered-models/alias", named

    calls = partial(_calls, server.url)
    return {
        "create run": partial(calls, run),
        "log metric": partial(calls, metric),
        "set alias": partial(calls, alias),
    }


def _calls(url: str, call: Callable[[int], Call], _number: int) -> list[float]:
    taken = []
    with httpx.Client(base_url=url, timeout=PATIENCE) as client:  # a new one: servers close what rests
        client.get("/health")
        for i in range(1, CALLS + 1):
            path, body = call(i)
            started = time.perf_counter()
            posted(client, path, body)
            taken.append((time.perf_counter() - started) * 1000)
    return taken


def _now() -> int:
    return int(time.time() * 1000)
