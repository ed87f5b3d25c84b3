"""Hot swaps under load: what fails, and what it costs."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count

from benchmarks.frame.bench import Bench
from benchmarks.frame.measure import Samples
from benchmarks.frame.report import say
from benchmarks.frame.results import Bar
from benchmarks.serving.answers import models
from benchmarks.serving.load import ask
from benchmarks.serving.servers import penstock_up

SECONDS = 10.0
PAUSE = 0.05
ENOUGH = 1000
"""Swaps; there are as many rounds as these take, and at least as many as were asked for."""


def swaps(bench: Bench) -> None:
    """The champion changes again and again while 32 connections ask."""
    folder = models(bench)
    rows = json.loads((folder / "rows.json").read_text(encoding="utf-8"))
    row = [{name: value for name, value in rows[0].items() if name.startswith("x")}]
    calm, swapped, failed, turns = Samples(), Samples(), Samples(), 0
    with penstock_up(folder, "a") as live:
        for number in count():
            if number >= bench.rounds and turns >= ENOUGH:
                break
            calm.values.append(ask(live.url, live.body(row), folder, SECONDS).p99)
            with ThreadPoolExecutor(1) as threads:
                asking = threads.submit(ask, live.url, live.body(row), folder, SECONDS)
                while not asking.done():
                    turns = int(live.tell("swap"))
                    time.sleep(PAUSE)
            told = asking.result()
            swapped.values.append(told.p99)
            failed.values.append(float(told.failed))
            say(f"round {number + 1}: {turns} swaps so far, {told.rate:,.0f}/s, {told.failed} failed")
    note = f"{turns} swaps in all"
    bench.results.add("swaps under load: failed requests", "requests", failed, bar=Bar(at_most=0), note=note)
    bench.results.add(
        "swaps under load: p99", "ms", swapped, calm, "no swaps", bar=Bar(times=1 / 3), note=note
    )
