"""Metadata: a run, a metric and an alias, beside an MLflow server over HTTP."""

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
from benchmarks.runs.bench import Bench
from benchmarks.runs.delivered import MODEL, PRODUCTION, WAITS, deliver
from benchmarks.runs.peers import PENSTOCK
from benchmarks.runs.servers import DEFAULT, TUNED, MLflow, posted

API = "/api/2.0/mlflow"
CALLS = 20
"""Calls a round."""
BARS = {DEFAULT: 10, TUNED: 3}
NOTES = {
    "create run": "POST /triggers/fire: checked and in the ledger, it starts when the run under way ends",
    "log metric": "in a step, without a server: a run that logs 10,000 numbers less one with none, for each",
    "set alias": "POST /promote: another champion, with history and cause, and serving swaps to it",
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
    client = stack.enter_context(deliver(bench))
    fire = {"pipeline": WAITS, "environment": PRODUCTION}
    posted(client, "/triggers/fire", {**fire, "params": {"seconds": 3600.0}})

    def run(i: int) -> Call:
        return "/triggers/fire", {**fire, "params": {"seconds": i}}

    def alias(i: int) -> Call:
        return "/promote", {"what": f"{MODEL}@{1 + i % 2}", "environment": PRODUCTION}

    calls = partial(_calls, str(client.base_url))
    return {
        "create run": partial(calls, run),
        "set alias": partial(calls, alias),
        "log metric": partial(_logged, bench),
    }


def _logged(bench: Bench, number: int) -> float:
    """What a metric costs from the step to the store."""
    state = bench.state(PENSTOCK.name)
    long, short = (PENSTOCK.run(shape, number, state) for shape in ("log_10000", "log_0"))
    return (long - short) / 10_000 * 1000


def _mlflow(bench: Bench, peer: MLflow, stack: ExitStack) -> dict[str, Once]:
    server = stack.enter_context(peer.up(bench.folder / peer.name))
    started = {"experiment_id": "0", "start_time": _now()}
    with httpx.Client(base_url=server.url, timeout=PATIENCE) as client:
        run_id = posted(client, f"{API}/runs/create", started)["run"]["info"]["run_id"]
        posted(client, f"{API}/registered-models/create", {"name": MODEL})
        for number in (1, 2):
            source = f"mlflow-artifacts:/0/{run_id}/artifacts/model{number}"
            version = {"name": MODEL, "source": source, "run_id": run_id}
            posted(client, f"{API}/model-versions/create", version)

    def run(_i: int) -> Call:
        return f"{API}/runs/create", started

    def metric(i: int) -> Call:
        value = {"key": "loss", "value": 1 / i, "timestamp": _now(), "step": i}
        return f"{API}/runs/log-metric", {"run_id": run_id, **value}

    def alias(i: int) -> Call:
        named = {"name": MODEL, "alias": "champion", "version": str(1 + i % 2)}
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
