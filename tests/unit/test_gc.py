"""What is removed and what never is."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from penstock.adapters.builders.own_wheel import own_wheel
from penstock.app.gc import Gc
from penstock.app.home import Home
from penstock.app.wiring import App
from penstock.builds.types import Build
from penstock.core.digests import digest_bytes
from penstock.pipelines.types import Graph, Node, Options, Output
from penstock.runs.service import Runs
from penstock.runs.types import Artifact, Outcome, Run, StepRun, Task, Workspace
from penstock.testing.executors import FakeExecutor

DAY = timedelta(days=1)
OLD = time.time() - 7 * 86_400
GRAPH = Graph(
    pipeline="train",
    target="p:train",
    nodes=(
        Node(name="load", kind="step"),
        Node(name="fit", kind="step", inputs={"rows": Output("load")}, options=Options(cache=False)),
    ),
)


class House:
    """A home whose runs are answered by hand."""

    def __init__(self, folder: Path) -> None:
        self.app = App(Home(folder))
        self.executor = FakeExecutor()
        self.app.runs = Runs(self.app.store, self.app.blobs, self.executor, self.app.clock)
        self.folder = folder

    def put(self, data: bytes) -> str:
        """Store bytes, long ago."""
        digest = self.app.blobs.put(data)
        os.utime(self.app.blobs.path(digest), (OLD, OLD))
        return digest

    def submit(self, pipeline: str = "train", project: str = "p") -> Run:
        workspace = Workspace(
            python=str(self.folder / "envs" / ("e" * 64) / "bin" / "python"), folder="", data_root="", lock=""
        )
        return self.app.runs.submit(
            project=project,
            pipeline=pipeline,
            environment="test",
            graph=GRAPH,
            workspace=workspace,
            params={},
        )

    def step(self, say: dict[str, bytes]) -> None:
        """Let each started task give the bytes that its step is said to give."""
        self.app.runs.tick(self.app.clock.now())
        for task in self.executor.waiting():
            if task.node.name in say:
                self.executor.answer(self.outcome(task, say[task.node.name]))
        self.app.runs.tick(self.app.clock.now())

    def outcome(self, task: Task, data: bytes) -> Outcome:
        artifact = Artifact(digest=self.put(data), format="json", size=len(data))
        return Outcome(step_run=task.step_run, token=task.token, outputs={"result": artifact})

    def finish(self, load: bytes, fit: bytes, **of: Any) -> Run:
        run = self.submit(**of)
        self.step({"load": load})
        self.step({"fit": fit})
        return run

    def age(self, run: Run) -> None:
        """Let a run have ended long ago."""
        with self.app.store.begin() as tx:
            found = tx.get(Run, run.id)
            assert found.finished
            tx.put(msgspec.structs.replace(found, finished=found.finished - 365 * DAY))

    def gc(self) -> Gc:
        return Gc(self.app)

    def has(self, data: bytes) -> bool:
        return any(self.app.blobs.get(digest) == data for digest in self.app.blobs.digests())


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.app.close()


def counts(found: Any) -> dict[str, int]:
    return {waste.what: waste.count for waste in found}


def test_what_nothing_names_is_told_first_and_then_removed(house: House) -> None:
    house.put(b"nobody's")
    house.finish(b"1", b"2")
    planned = house.gc().plan()
    assert counts(planned)["blobs"] == 1
    assert next(waste.bytes for waste in planned if waste.what == "blobs") == 8
    assert house.has(b"nobody's")
    assert house.gc().sweep() == planned
    assert not house.has(b"nobody's")
    assert house.has(b"1")
    assert house.has(b"2")
    assert not any(counts(house.gc().plan()).values())


def test_bytes_that_were_stored_lately_stay(house: House) -> None:
    house.app.blobs.put(b"somebody will tell of it soon")
    stored_again = house.put(b"stored again")
    house.app.blobs.put(b"stored again")
    house.gc().sweep()
    assert house.has(b"somebody will tell of it soon")
    assert house.app.blobs.has(stored_again)


def test_old_runs_lose_their_bytes_but_for_the_last_that_succeeded(house: House) -> None:
    for number in (b"1", b"2"):
        house.age(house.finish(b"load", b"fit " + number))
    house.gc().sweep()
    assert not house.has(b"fit 1")
    assert house.has(b"fit 2")


def test_what_a_blob_names_is_kept_with_it(house: House) -> None:
    model = house.put(b"weights")
    house.finish(b"1", msgspec.json.encode({"artifact": model}))
    house.gc().sweep()
    assert house.has(b"weights")


def test_a_run_in_flight_keeps_all_that_it_may_take(house: House) -> None:
    for number in (b"1", b"2"):
        house.age(house.finish(b"load", b"fit " + number))
    run = house.submit()
    house.step({})
    house.gc().sweep()
    assert house.has(b"fit 1")
    house.step({"fit": b"3"})
    with house.app.store.read() as reader:
        assert reader.get(Run, run.id).status == "succeeded"
        assert reader.get(StepRun, f"{run.id}/load").cached_from == "1/load"


def test_a_run_that_begins_in_the_middle_keeps_what_was_not_removed_yet(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("penstock.app.gc.BATCH", 1)
    for number in (b"1", b"2", b"3"):
        house.age(house.finish(b"load", b"fit " + number))
    blobs, delete, late = house.app.blobs, house.app.blobs.delete, []

    def begin_after_the_first(digest: str, idle: float = 0.0) -> bool:
        late.append(digest)
        return delete(digest, idle)

    monkeypatch.setattr(blobs, "delete", begin_after_the_first)
    begin = house.app.store.begin

    def interrupted() -> Any:
        if len(late) == 1:
            late.append("begun")
            house.submit()
        return begin()

    monkeypatch.setattr(house.app.store, "begin", interrupted)
    house.gc().sweep()
    assert [house.has(b"fit 1"), house.has(b"fit 2")].count(True) == 1


def test_killed_in_the_middle_it_can_be_begun_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        house.put(b"nobody's %d" % number)
    environment = folder(house, "envs", "a" * 64)
    run = house.finish(b"1", b"2")
    delete, left = house.app.blobs.delete, [2]

    def dies(digest: str, idle: float = 0.0) -> bool:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        return delete(digest, idle)

    with monkeypatch.context() as patched:
        patched.setattr(house.app.blobs, "delete", dies)
        with pytest.raises(KeyboardInterrupt):
            house.gc().sweep()
    environment.rename(environment.with_name(f".gone-{environment.name}"))  # as if it had died here
    assert counts(house.gc().sweep())["blobs"] == 3
    assert not list((house.folder / "envs").iterdir())
    with house.app.store.read() as reader:
        for step in reader.find(StepRun, run=run.id):
            assert all(house.app.blobs.has(artifact.digest) for artifact in step.outputs.values())


def test_folders_and_logs_go_with_what_they_belong_to(house: House) -> None:
    used, unused = folder(house, "envs", "e" * 64), folder(house, "envs", "a" * 64)
    code = folder(house, "code", "b" * 64)
    run = house.finish(b"1", b"2")
    kept, gone = folder(house, "logs/runs", run.id), folder(house, "logs/runs", "99")
    assert counts(house.gc().sweep()) == {
        "blobs": 0,
        "envs": 1,
        "code": 1,
        "logs/runs": 1,
        "logs/builds": 0,
        "wheels": 0,
    }
    assert [path.exists() for path in (used, kept, unused, code, gone)] == [True, True, False, False, False]


def folder(house: House, where: str, name: str) -> Path:
    path = house.folder / where / name
    path.mkdir(parents=True)
    (path / "file").write_text("text")
    os.utime(path, (OLD, OLD))
    return path


def test_the_log_of_a_build_stays_while_it_runs_and_while_it_is_young(house: House) -> None:
    now = house.app.clock.now()
    ends = {"1": None, "2": now, "3": now - 365 * DAY}
    with house.app.store.begin() as tx:
        for number, finished in ends.items():
            tx.add(
                Build(
                    id=number,
                    project="p",
                    commit="c",
                    branch="main",
                    created=now - 366 * DAY,
                    status="failed" if finished else "running",
                    finished=finished,
                    log=f"logs/builds/{number}.log",
                )
            )
    logs = house.folder / "logs" / "builds"
    logs.mkdir(parents=True)
    for number in ends:
        (logs / f"{number}.log").write_text("text")
        os.utime(logs / f"{number}.log", (OLD, OLD))
    (waste,) = (waste for waste in house.gc().sweep() if waste.what == "logs/builds")
    assert (waste.count, waste.bytes) == (1, 4)
    assert sorted(path.name for path in logs.iterdir()) == ["1.log", "2.log"]


def test_wheels_of_other_versions_are_removed(house: House) -> None:
    own = digest_bytes(own_wheel()[1])
    for name in (own, "b" * 64):
        (house.folder / "wheels" / name).mkdir(parents=True)
        os.utime(house.folder / "wheels" / name, (OLD, OLD))
    (waste,) = (waste for waste in house.gc().sweep() if waste.what == "wheels")
    assert waste.count == 1
    assert [path.name for path in (house.folder / "wheels").iterdir()] == [own]
