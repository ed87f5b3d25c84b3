"""Many models in one process: what a registered one costs beside a loaded one."""

from __future__ import annotations

from benchmarks.frame.bench import Bench
from benchmarks.frame.environments import Failed
from benchmarks.frame.measure import Samples
from benchmarks.frame.report import say
from benchmarks.frame.results import Bar
from benchmarks.frame.servers import free_port, resident
from benchmarks.serving.answers import models
from benchmarks.serving.servers import started

REGISTERED, LOADED = 1000, 100


def many(bench: Bench) -> None:
    """By how much a process grows from one model to a thousand, of which a hundred are loaded."""
    folder = models(bench)
    ours, bare = Samples(), Samples()
    for name, samples, program, words in (
        ("Penstock", ours, "many_server.py", [str(folder), str(REGISTERED), str(LOADED)]),
        ("bare ONNX Runtime", bare, "bare_models.py", [str(folder), str(LOADED)]),
    ):
        for _ in range(min(bench.rounds, 3)):
            port = [str(free_port())] * (samples is ours)  # and with it a home that knows no models yet
            with started(program, *words, *port, folder=folder) as (said, tell):
                pid = int(said[0])
                before = resident(pid)[0]
                if int(tell("many")) != LOADED:
                    raise Failed("not all models were loaded")
                samples.values.append(resident(pid)[0] - before)
                say(f"{name}: {samples.values[-1]:.1f} MB more")
    bench.results.add(
        f"many: {REGISTERED:,} models, {LOADED} of them loaded: growth of memory",
        "MB", ours, bare, f"{LOADED} bare sessions of ONNX Runtime", bar=Bar(times=1),
        note="beside one model; a scaler and a logistic regression on 20 numbers",
    )  # fmt: skip
