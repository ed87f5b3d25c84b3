"""What an idle system holds in memory, all its processes together."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager

from benchmarks.frame.environments import Failed
from benchmarks.frame.measure import Samples
from benchmarks.frame.report import say
from benchmarks.frame.results import Bar
from benchmarks.frame.servers import Server, resident
from benchmarks.runs.bench import Bench
from benchmarks.runs.servers import DEFAULT, TUNED, up

SETTLED = 5.0
"""Seconds until nothing of the start is left."""


def memory(bench: Bench) -> None:
    """`penstock up` on a new home beside MLflow's server on a new store."""
    folder = bench.folder / "idle"
    ours, count = _idle(bench, "penstock up", lambda: up(folder, folder / "home"))
    title = "resident memory, idle"
    bench.results.add(
        title,
        "MB",
        ours,
        bar=Bar(at_most=350),
        note=f"{count} processes, shared pages counted by their share",
    )
    for peer in (DEFAULT, TUNED):
        theirs, count = _idle(bench, peer.name, lambda peer=peer: peer.up(folder / peer.name))
        bench.results.add(title, "MB", ours, theirs, peer.name, peer.version(), note=f"{count} processes")


def _idle(
    bench: Bench, name: str, start: Callable[[], AbstractContextManager[Server]]
) -> tuple[Samples, int]:
    say(f"memory of {name}")
    looks, count = [], 0
    try:
        with start() as server:
            time.sleep(SETTLED)
            for _ in range(bench.rounds):
                time.sleep(1)
                held, count = resident(server.pid)
                looks.append(held)
    except Failed as error:
        return Samples(error=str(error)), 0
    return Samples(values=looks), count
