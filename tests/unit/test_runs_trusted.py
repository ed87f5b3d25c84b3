"""While nobody else writes, what has ended is taken in on what is remembered; else it is asked at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from penstock.adapters.storage import SqlStore, open_store
from penstock.lineage.ports import Reader
from penstock.pipelines.types import Graph, Node, Output, Value
from penstock.runs.service import Runs
from penstock.runs.types import Artifact, Outcome, Run, StepRun, Workspace
from penstock.testing.executors import FakeExecutor
from penstock.testing.fakes import FixedClock, MemoryBlobs

WORKSPACE = Workspace(python="python", folder="/project", data_root="/data", lock="lock-1")
LENGTH = 8


def long(first: int) -> Graph:
    """A chain of steps, whose first takes a number."""

    def node(number: int) -> Node:
        takes = Output(f"s{number - 1}") if number else Value(first)
        return Node(name=f"s{number}", kind="step", target="p:s", inputs={"x": takes}, code=f"c{number}")

    return Graph(pipeline="long", target="p:long", nodes=tuple(node(number) for number in range(LENGTH)))


class Watched:
    """A store that notes what is asked of it before anything is written."""

    def __init__(self, store: SqlStore) -> None:
        self.begin = store.begin
        self.asked: list[type] = []
        self._store = store

    @contextmanager
    def read(self) -> Iterator[Reader]:
        with self._store.read() as reader:
            pick = reader.pick

            def noted(kind: type, *given: object, **more: object) -> object:
                self.asked.append(kind)
                return pick(kind, *given, **more)  # type: ignore[arg-type]

            reader.pick = noted  # type: ignore[method-assign,assignment]
            yield reader


class Control:
    """A control process on a store, and willing workers."""

    def __init__(self, path: Path, owner: str) -> None:
        self.sql = open_store(path)
        self.store, self.blobs, self.executor = Watched(self.sql), MemoryBlobs(), FakeExecutor(2)
        self.clock = FixedClock()
        self.runs = Runs(self.store, self.blobs, self.executor, self.clock, owner=owner)

    def submit(self, graph: Graph) -> Run:
        return self.runs.submit(
            project="p", pipeline="long", environment="test", graph=graph, workspace=WORKSPACE, params={}
        )

    def step_on(self) -> bool:
        """One task ends well, and is taken in."""
        task = self.executor.waiting()[0]
        digest = self.blobs.put(task.step_run.encode())
        kept = Artifact(digest=digest, format="json", size=1)
        self.executor.answer(Outcome(step_run=task.step_run, token=task.token, outputs={"result": kept}))
        return self.runs.tick(self.clock.now())


@pytest.fixture
def control(tmp_path: Path) -> Iterator[Control]:
    made = Control(tmp_path / "penstock.db", "host:one")
    made.submit(long(1))
    made.runs.tick(made.clock.now())
    while Run in made.store.asked:  # until it has found out that it is alone
        made.store.asked.clear()
        made.step_on()
    yield made
    made.sql.close()


def status(store: SqlStore, step: str) -> str:
    with store.read() as reader:
        return reader.get(StepRun, step).status


def test_alone_it_asks_nothing_and_comes_to_the_end(control: Control) -> None:
    while control.executor.waiting():
        control.step_on()
    assert control.store.asked == []
    assert status(control.sql, f"1/s{LENGTH - 1}") == "succeeded"
    assert control.runs.seen("1")[0].status == "succeeded"


def test_what_was_submitted_meanwhile_is_begun_in_the_same_tick(control: Control) -> None:
    second = control.submit(long(2))
    assert control.step_on()
    assert status(control.sql, f"{second.id}/s0") == "running"


def test_what_another_process_did_meanwhile_counts(control: Control, tmp_path: Path) -> None:
    other = Control(tmp_path / "penstock.db", "host:two")
    running = control.executor.waiting()[0].step_run
    other.runs.cancel("1")
    control.step_on()
    assert status(other.sql, running) == "cancelled"
    assert control.runs.seen("1")[0].status == "cancelled"
    assert not control.executor.waiting()
    other.sql.close()


def test_a_reader_does_not_hide_what_others_wrote(control: Control, tmp_path: Path) -> None:
    other = open_store(tmp_path / "penstock.db")
    with control.sql.begin() as tx:
        before = tx.turn
    with control.sql.read() as reader:  # on the connection that wrote
        with other.begin() as tx:
            tx.mint(Run)
        with control.sql.begin() as tx:  # on another one
            between = tx.turn
        assert reader.count(Run) == 1
    with control.sql.begin() as tx:
        after = tx.turn
    with control.sql.begin() as tx:
        last = tx.turn
    assert between > before + 1
    assert after > between
    assert last == after + 1
    other.close()
