"""A store in PostgreSQL that several control processes share, and that goes away under their hands."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from penstock.app.home import Home
from penstock.app.local import local_workspace
from penstock.app.workbench import Workbench
from penstock.core.errors import Conflict
from penstock.runs.types import Run, StepRun
from penstock.testing.postgres import PostgresServer

PIPELINE = """
import os, time
from pathlib import Path
from penstock import each, pipeline, step

@step
def numbers(first: int) -> list[int]:
    return [first + n for n in range(4)]

@step
def square(number: int) -> int:
    note = os.open("effects", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(note, f"{number}\\n".encode())
    while number == 1 and not Path("go").exists():
        time.sleep(0.01)
    return number * number

@step
def total(squares: list[int]) -> int:
    return sum(squares)

@pipeline
def squares(first: int = 0):
    return total(each(square, number=numbers(first)))
"""
CONTROL = """
import sys
from pathlib import Path
from penstock.adapters.executors.machine import ended
from penstock.app.home import Home
from penstock.app.workbench import Workbench
from penstock.runs.types import Run

bench = Workbench(Home(Path(sys.argv[1])), on="inline")

def is_left():
    with bench.store.read() as reader:
        return reader.count(Run, status=("queued", "running"))

while is_left():
    bench.runs.recover(ended)
    bench.runs.tick(bench.clock.now())
    bench.runs.wait(0.05)
bench.close()
"""
RUNS = 4


class Place:
    """A project, and a home beside it whose store is a database."""

    def __init__(self, folder: Path) -> None:
        self.project = folder / "project"
        (self.project / "sharing").mkdir(parents=True)
        (self.project / "sharing" / "__init__.py").write_text("")
        (self.project / "sharing" / "pipeline.py").write_text(PIPELINE)
        self.home = folder / "home"

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, *words], cwd=self.project)

    def effects(self) -> list[str]:
        file = self.project / "effects"
        return file.read_text().splitlines() if file.exists() else []

    def let_go(self) -> None:
        (self.project / "go").touch()


@pytest.fixture
def place(tmp_path: Path, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setenv("PENSTOCK_STORE", postgres.database())
    return Place(tmp_path)


def test_of_two_control_processes_on_one_store_each_does_what_the_other_does_not(place: Place) -> None:
    bench = Workbench(Home(place.home))
    workspace = local_workspace(place.project)
    graph = bench.executor.draw(workspace, "sharing.pipeline:squares")
    where: dict[str, Any] = {"project": "p", "pipeline": "squares", "environment": "test"}
    for number in range(RUNS):
        bench.runs.submit(**where, graph=graph, workspace=workspace, params={"first": 10 * number})
    controls = {
        process.pid: process for process in (place.start("-c", CONTROL, str(place.home)) for _ in "ab")
    }
    wait_for(lambda: len(place.effects()) == 4 * RUNS and finished(bench) == RUNS - 1)
    [stuck] = steps(bench, status="running")  # the other process has done everything else
    assert stuck.lease
    held_by = int(stuck.lease.owner.split(":")[1])
    os.kill(held_by, signal.SIGKILL)
    controls.pop(held_by).wait()
    place.let_go()
    [other] = controls.values()
    assert other.wait() == 0
    assert Counter(place.effects()) == Counter(
        {str(10 * run + n): 1 for run in range(RUNS) for n in range(4)} | {"1": 2}
    )
    with bench.store.read() as reader:
        assert {run.status for run in reader.find(Run)} == {"succeeded"}
        recorded = Counter((e.subject, e.evidence["step"]) for e in reader.events(kind="step.finished"))
    done = steps(bench, status="succeeded")
    assert recorded == Counter((f"run:{step.run}", step.name) for step in done)
    assert {step.id: step.token for step in done if step.token > 1} == {stuck.id: 2}
    assert bench.ledger.verify().ok
    bench.close()


@pytest.mark.parametrize("how", ["fast", "immediate"])
def test_the_database_may_be_restarted_while_a_run_is_under_way(
    how: str, place: Place, postgres: PostgresServer
) -> None:
    command = ("-m", "penstock.cli", "run", "sharing.pipeline:squares", "--home", str(place.home))
    running = place.start(*command)
    wait_for(lambda: "1" in place.effects())
    postgres.stop(how)
    place.let_go()
    postgres.start()
    assert running.wait() == 0
    bench = Workbench(Home(place.home))
    assert Counter(place.effects()) == Counter("0123")
    assert {step.status for step in steps(bench)} == {"succeeded"}
    assert bench.ledger.verify().ok
    bench.close()


def test_a_home_and_its_store_belong_together(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = os.environ["PENSTOCK_STORE"]
    Workbench(Home(place.home)).close()
    with pytest.raises(Conflict, match="belongs to another home"):
        Workbench(Home(tmp_path / "another"))
    monkeypatch.delenv("PENSTOCK_STORE")
    with pytest.raises(Conflict, match="expected PENSTOCK_STORE=postgresql://"):
        Workbench(Home(place.home))
    Workbench(Home(tmp_path / "embedded")).close()
    monkeypatch.setenv("PENSTOCK_STORE", address)
    with pytest.raises(Conflict, match=r"in its file penstock\.db"):
        Workbench(Home(tmp_path / "embedded"))


def steps(bench: Workbench, **where: Any) -> list[StepRun]:
    with bench.store.read() as reader:
        return reader.find(StepRun, **where)


def finished(bench: Workbench) -> int:
    with bench.store.read() as reader:
        return reader.count(Run, status="succeeded")


def wait_for(happened: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)
