"""Online values: how fast one entity is read, in process and over HTTP, and all are brought there."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.features.bench import PROGRAMS, Bench, Case, feast, ours
from benchmarks.frame.environments import Failed
from benchmarks.frame.measure import Samples, end_group, surroundings
from benchmarks.frame.results import Bar
from benchmarks.frame.servers import Server, free_port, serving
from benchmarks.serving.load import ask

LARGE = Case(name="online", spine=100, views=1, rows=5_000_000, entities=100_000)
TRIED = Case(name="online-tried", spine=100, views=1, rows=50_000, entities=1_000)
SQLITE, REDIS = "Feast, SQLite", "Feast, Redis"
SYSTEM = "Penstock, the system"
SECONDS = 3.0


def online(bench: Bench) -> None:
    """An entity with ten features of a view, among 100,000."""
    folder = bench.data(TRIED if bench.quick else LARGE)
    version = feast().version("feast")
    _filled(bench, folder)
    _in_process(bench, folder, version)
    _over_http(bench, folder, version)


def _filled(bench: Bench, folder: Path) -> None:
    """Both stores, timed; what is there already is written over."""
    taken = bench.take_turns(
        "materialise",
        [
            bench.contender("Penstock", lambda _: _ours(bench, folder, "materialize")["seconds"], slow=True),
            bench.contender(
                SQLITE, lambda _: _feast(bench, folder, "materialize")["seconds"], slow=True, warm=False
            ),
        ],
    )
    note = "100,000 entities from 5 M rows of 10 features in a Parquet file"
    version = feast().version("feast")
    bench.results.add(
        "materialise", "s", taken["Penstock"], taken[SQLITE], SQLITE, version, bar=Bar(times=5), note=note
    )


def _in_process(bench: Bench, folder: Path, version: str) -> None:
    mine, theirs = (read(bench, folder, "online")["values"] for read in (_ours, _feast))
    for name, values in mine.items():
        pairs = zip(values, theirs[name], strict=True)  # Feast gives what is older than it may be as well
        if not any(values) or any(value not in {None, other} for value, other in pairs):
            raise Failed(f"the first ten entities have other values of {name} online")
    with _redis(bench.folder) as port:
        if port:
            _feast(bench, folder, "materialize", f"redis:{port}")
        asked = {
            "Penstock": partial(_ours, bench, folder, "online"),
            SQLITE: partial(_feast, bench, folder, "online"),
            **({REDIS: partial(_feast, bench, folder, "online", f"redis:{port}")} if port else {}),
        }
        contenders = [
            bench.contender(name, lambda _, read=read: read()["read"]) for name, read in asked.items()
        ]
        taken = bench.take_turns("online read in process", contenders)
    for name in (SQLITE, REDIS):
        theirs = taken.get(name, Samples(error="there is no redis-server"))
        bar = Bar(times=20) if name == SQLITE else None
        title = "online read of one entity, in process"
        bench.results.add(title, "µs", taken["Penstock"], theirs, name, version, bar=bar)


def _over_http(bench: Bench, folder: Path, version: str) -> None:
    body = {"features": [f"view0:f0_{number}" for number in range(10)], "entities": {"entity": [5]}}
    with (
        _penstock_up(bench, folder, "predictions") as mine,
        _penstock_up(bench, folder, "system") as system,
        _feast_up(bench, folder) as theirs,
    ):
        asked = {"Penstock": mine.url, SYSTEM: system.url, SQLITE: theirs.url}

        def once(url: str, _number: int) -> float:
            told = ask(f"{url}/get-online-features", body, bench.folder, SECONDS, connections=1)
            if told.failed:
                raise Failed(f"{told.failed} requests failed")
            return told.p50 * 1000

        contenders = [bench.contender(name, partial(once, url)) for name, url in asked.items()]
        taken = bench.take_turns("online read over HTTP", contenders)
    title = "online read of one entity, over HTTP"
    note = "the same request, on one connection; `feast serve` and the address for predictions"
    bench.results.add(
        title, "µs", taken["Penstock"], taken[SQLITE], SQLITE, version, bar=Bar(times=10), note=note
    )
    note = "the same, at the address of pages and calls"
    bench.results.add(
        f"{title} of the system", "µs", taken[SYSTEM], taken[SQLITE], SQLITE, version, note=note
    )


def _ours(bench: Bench, folder: Path, work: str) -> dict[str, Any]:
    return bench.run(ours(), "penstock_online.py", work, str(folder))


def _feast(bench: Bench, folder: Path, work: str, kind: str = "duckdb") -> dict[str, Any]:
    return bench.run(feast(), "feast_store.py", work, str(folder), kind)


def _penstock_up(bench: Bench, folder: Path, work: str) -> contextlib.AbstractContextManager[Server]:
    """Penstock on a home of its own, made anew."""
    home = folder / work
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    for file in folder.glob("*.parquet"):
        (home / file.name).hardlink_to(file)
    return serving(
        lambda port: [ours().python, "penstock_online.py", work, str(home), str(port)],
        folder=PROGRAMS, env=surroundings(folder, {}), log=bench.folder / f"penstock-{work}.log",
    )  # fmt: skip


def _feast_up(bench: Bench, folder: Path) -> contextlib.AbstractContextManager[Server]:
    return serving(
        lambda port: [feast().program("feast"), "serve", "--port", str(port), "--no-access-log"],
        folder=folder / "feast-duckdb", env=surroundings(folder, {}), log=bench.folder / "feast.log",
    )  # fmt: skip


@contextlib.contextmanager
def _redis(folder: Path) -> Iterator[int]:
    """The port of a Redis server that keeps nothing on disk; 0 where none is installed."""
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if program is None:
        yield 0
        return
    port = free_port()
    with (folder / "redis.log").open("wb") as log:
        process = subprocess.Popen(
            [program, "--port", str(port), "--save", "", "--bind", "127.0.0.1"],
            stdout=log, stderr=log, cwd=folder, start_new_session=True,
        )  # fmt: skip
    try:
        time.sleep(1)
        if process.poll() is not None:
            raise Failed("the Redis server does not start")
        yield port
    finally:
        end_group(process)
