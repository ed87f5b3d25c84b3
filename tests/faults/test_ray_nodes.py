"""A cluster that loses a node: the run ends as if nothing had been, and nothing of the lost step is left."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from penstock.adapters.blobs.folder import FolderBlobs
from penstock.adapters.executors.choice import open_executor
from penstock.core.digests import digest_bytes
from penstock.core.errors import InvalidPipeline
from penstock.lineage.ports import Blobs
from penstock.pipelines.types import Graph, Node, Options, Output, Value
from penstock.runs.ports import Executor
from penstock.runs.service import Runs
from penstock.runs.types import Run, StepRun, Workspace
from penstock.runs.views import ACTIVE
from penstock.testing.contracts.executor import alive, told
from penstock.testing.fakes import FixedClock, MemoryStore

STEPS = """
import os, subprocess, time
from pathlib import Path

from penstock import step

@step
def first() -> list[int]:
    return [1, 2, 3]

@step
def long(values: list[int], path: str) -> int:
    # the first attempt tells its processes and stays; the next one does the work
    print("attempt")
    if not Path(path).exists():
        child = subprocess.Popen(["sleep", "600"], start_new_session=True)
        Path(path + ".part").write_text(f"{os.getpid()} {child.pid}")
        Path(path + ".part").rename(path)
        time.sleep(600)
    return sum(values)

@step
def last(value: int) -> int:
    return 2 * value
"""


class House:
    """Runs on a cluster, for a project with the steps above."""

    def __init__(self, folder: Path, address: str) -> None:
        self.folder = folder
        package = folder / "project" / "lost"
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
        (package / "steps.py").write_text(STEPS)
        self.store = MemoryStore()
        self.blobs: Blobs = FolderBlobs(folder / "home" / "blobs")
        self.clock = FixedClock()
        self.executor: Executor = open_executor(
            address, logs=folder / "logs", blobs=folder / "home" / "blobs"
        )
        self.runs = Runs(self.store, self.blobs, self.executor, self.clock)

    def submit(self, *nodes: Node) -> Run:
        folder = str(self.folder / "project")
        return self.runs.submit(
            project="p",
            pipeline="lost",
            environment="test",
            graph=Graph(pipeline="lost", target="p:p", nodes=nodes),
            workspace=Workspace(python=sys.executable, folder=folder, data_root=folder, lock=""),
            params={},
        )

    def until(self, happened: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 120
        while not happened():
            assert time.monotonic() < deadline, "it did not happen"
            self.runs.tick(self.clock.now())
            self.runs.wait(0.02)

    def end(self, run: Run) -> Run:
        self.until(lambda: self.runs.seen(run.id)[0].status not in ACTIVE)
        return self.runs.seen(run.id)[0]

    def step(self, run: Run, name: str) -> StepRun:
        with self.store.read() as reader:
            return reader.get(StepRun, f"{run.id}/{name}")


def node(name: str, **given: Any) -> Node:
    return Node(name=name, kind="step", target=f"lost.steps:{name}", **given)


@pytest.fixture
def house(ray_address: str, tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path, ray_address)
    yield house
    house.executor.close()


def test_a_run_survives_the_loss_of_the_node_that_its_step_is_on(
    house: House, ray_cluster: Any, ray_node: Callable[[], Any]
) -> None:
    here = ray_node()
    pids = house.folder / "pids"
    run = house.submit(
        node("first", options=Options(cpus=2)),
        node(
            "long",
            inputs={"values": Output("first"), "path": Value(str(pids))},
            options=Options(cpus=2),
        ),
        node("last", inputs={"value": Output("long")}, options=Options(cpus=2)),
    )
    house.until(pids.exists)
    processes = told(pids)
    ray_cluster.remove_node(here, allow_graceful=False)
    house.until(lambda: house.step(run, "long").losses == 1)
    assert house.step(run, "long").status in ("queued", "running"), "nothing left is large enough for it"
    house.until(lambda: not any(map(alive, processes)))
    ray_node()
    assert house.end(run).status == "succeeded"
    step = house.step(run, "long")
    assert (step.attempt, step.token, step.losses, step.errors) == (2, 2, 1, 0)
    assert step.outputs["result"].digest == digest_bytes(b"6")
    assert house.step(run, "last").outputs["result"].digest == digest_bytes(b"12")
    with house.store.read() as reader:
        finished = [event.evidence["step"] for event in reader.events(kind="step.finished")]
    assert sorted(finished) == ["first", "last", "long"], "each step's effect is there once"
    log = house.folder / "logs" / run.id / "long.jsonl"
    lines = [msgspec.json.decode(line) for line in log.read_bytes().splitlines()]
    assert [line["text"] for line in lines if line["stream"] == "stdout"] == ["attempt", "attempt"]


def test_what_no_node_has_is_refused_with_what_the_largest_has(house: House) -> None:
    with pytest.raises(InvalidPipeline, match=r"at most [12] CPUs, which is all there is; found 3"):
        house.submit(node("first", options=Options(cpus=3)))


def test_closing_the_executor_ends_what_runs_on_the_cluster(house: House) -> None:
    pids = house.folder / "pids"
    values = {"values": Value([]), "path": Value(str(pids))}
    house.submit(node("long", inputs=values))
    house.until(pids.exists)
    house.executor.close()
    processes = told(pids)
    deadline = time.monotonic() + 120
    while any(map(alive, processes)):
        assert time.monotonic() < deadline, "they did not end"
        time.sleep(0.01)
