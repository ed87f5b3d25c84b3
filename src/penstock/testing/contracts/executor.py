"""What every executor does with the tasks it is given."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from penstock.core.digests import digest_bytes
from penstock.core.errors import InvalidPipeline
from penstock.pipelines.types import Node, Options
from penstock.runs.ports import Executor
from penstock.runs.types import Artifact, Outcome, Task, Workspace

PROJECT = """
import os, signal, subprocess, time
from pathlib import Path
from typing import NamedTuple

from penstock import log, pipeline, step

class Parts(NamedTuple):
    first: int
    rest: list[int]

@step
def numbers(count: int) -> list[int]:
    return list(range(count))

@step
def total(values: list[int]) -> int:
    return sum(values)

@step(outputs=("first", "rest"))
def parted(values: list[int]) -> Parts:
    return Parts(values[0], values[1:])

@step
def refuse(word: str) -> str:
    raise ValueError(f"not {word}")

@step
def leave() -> None:
    raise SystemExit("enough")

@step
def here() -> str:
    return Path("contracted").resolve().parent.name

@step
def talk(path: str) -> bool:
    # says something, and looks whether it has arrived as whoever follows the log does
    print("I have begun")
    log.metric("loss", 0.5, step=3)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if Path(path).exists() and "loss" in Path(path).read_text():
            return True
        time.sleep(0.01)
    return False

@step
def hang(path: str) -> None:
    # tells which processes there are, and stays
    child = subprocess.Popen(["sleep", "600"], start_new_session=True)
    Path(path + ".part").write_text(f"{os.getpid()} {child.pid}")
    Path(path + ".part").rename(path)
    time.sleep(600)

@step
def devour() -> int:
    return len(bytearray(os.urandom(1) * 300_000_000)) + time.sleep(600)

@step
def devoured() -> None:
    os.kill(os.getpid(), signal.SIGKILL)

@pipeline
def summed(count: int = 4):
    return total(numbers(count))
"""
PATIENCE = 120.0


class ExecutorContract:
    """Inherit, and give a fixture `executor` with room for two tasks and one `logs` with its folder of logs.

    An executor that can end what has begun inherits `ForcefulExecutorContract` instead.
    """

    @pytest.fixture
    def workspace(self, tmp_path: Path) -> Workspace:
        """A project with a few steps, in the Python that runs the tests."""
        folder = tmp_path / "project"
        (folder / "contracted").mkdir(parents=True)
        (folder / "contracted" / "__init__.py").touch()
        (folder / "contracted" / "steps.py").write_text(PROJECT)
        return Workspace(python=sys.executable, folder=str(folder), data_root=str(folder), lock="")

    def test_a_task_gives_its_output_under_its_token(self, executor: Executor, workspace: Workspace) -> None:
        executor.start(task(workspace, "numbers", token=7, values={"count": 3}))
        outcome = only(executor)
        assert (outcome.step_run, outcome.token, outcome.error, outcome.lost) == ("1/numbers", 7, "", False)
        assert {name: found.digest for name, found in outcome.outputs.items()} == {
            "result": digest_bytes(b"[0,1,2]")
        }

    def test_what_a_task_gives_the_next_can_take(self, executor: Executor, workspace: Workspace) -> None:
        executor.start(task(workspace, "numbers", values={"count": 4}))
        values = only(executor).outputs["result"]
        executor.start(task(workspace, "total", inputs={"values": values}))
        summed = only(executor).outputs["result"]
        executor.start(task(workspace, "total", values={"values": [1, 2, 3]}))
        assert only(executor).outputs["result"].digest == summed.digest

    def test_a_task_may_have_several_outputs(self, executor: Executor, workspace: Workspace) -> None:
        executor.start(task(workspace, "parted", outputs=("first", "rest"), values={"values": [1, 2, 3]}))
        assert sorted(only(executor).outputs) == ["first", "rest"]

    def test_what_a_step_raises_is_the_error_of_its_outcome(
        self, executor: Executor, workspace: Workspace
    ) -> None:
        executor.start(task(workspace, "refuse", values={"word": "today"}))
        outcome = only(executor)
        assert outcome.error.startswith("ValueError: not today")
        assert (outcome.outputs, outcome.lost) == ({}, False)

    def test_a_step_that_ends_the_program_ends_only_itself(
        self, executor: Executor, workspace: Workspace
    ) -> None:
        executor.start(task(workspace, "leave"))
        assert only(executor).error.startswith("SystemExit: enough")
        executor.start(task(workspace, "numbers", values={"count": 1}))
        assert not only(executor).error

    def test_a_step_runs_beside_its_package(self, executor: Executor, workspace: Workspace) -> None:
        executor.start(task(workspace, "here"))
        assert not only(executor).error

    def test_what_a_step_says_can_be_read_while_it_runs(
        self, executor: Executor, workspace: Workspace, logs: Path
    ) -> None:
        log = logs / "7" / "talk.jsonl"
        executor.start(task(workspace, "talk", run="7", values={"path": str(log)}))
        outcome = only(executor)
        assert outcome.outputs["result"].digest == digest_bytes(b"true")
        assert outcome.metrics == (("loss", 0.5, 3),)
        lines = [msgspec.json.decode(line) for line in log.read_bytes().splitlines()]
        said = [(line["stream"], line["text"]) for line in lines]
        assert said == [("stdout", "I have begun"), ("metric", "loss = 0.5")]

    def test_code_that_was_changed_is_not_run_as_it_was(
        self, executor: Executor, workspace: Workspace
    ) -> None:
        changed = PROJECT.replace("sum(values)", "1000 + sum(values)")
        for code, result in ((PROJECT, b"6"), (changed, b"1006")):
            Path(workspace.folder, "contracted", "steps.py").write_text(code)
            executor.start(task(workspace, "total", values={"values": [1, 2, 3]}))
            assert only(executor).outputs["result"].digest == digest_bytes(result)

    def test_there_is_a_room_that_a_step_fits(self, executor: Executor) -> None:
        assert any(room.fits(Options()) for room in executor.rooms())

    def test_a_step_that_is_not_there_is_an_error(self, executor: Executor, workspace: Workspace) -> None:
        executor.start(task(workspace, "missing"))
        assert "missing" in only(executor).error

    def test_each_task_takes_room_until_its_outcome_is_there(
        self, executor: Executor, workspace: Workspace
    ) -> None:
        assert executor.free() == 2
        executor.start(task(workspace, "numbers", values={"count": 1}))
        executor.start(task(workspace, "total", values={"values": [1]}))
        assert {outcome.step_run for outcome in gathered(executor, 2)} == {"1/numbers", "1/total"}
        assert executor.free() == 2

    def test_a_task_that_is_cancelled_at_once_says_so(
        self, executor: Executor, workspace: Workspace, tmp_path: Path
    ) -> None:
        executor.start(task(workspace, "hang", values={"path": str(tmp_path / "pids")}))
        executor.cancel("1/hang")
        outcome = only(executor)
        assert (outcome.error, outcome.outputs, outcome.lost) == ("cancelled", {}, False)
        executor.cancel("1/hang")
        assert not executor.finished(0)

    def test_a_pipeline_is_drawn(self, executor: Executor, workspace: Workspace) -> None:
        graph = executor.draw(workspace, "contracted.steps:summed")
        assert [node.name for node in graph.nodes] == ["numbers", "total"]

    @pytest.mark.parametrize("target", ["contracted.steps:missing", "nowhere:summed"])
    def test_a_pipeline_that_is_not_there_is_refused(
        self, executor: Executor, workspace: Workspace, target: str
    ) -> None:
        with pytest.raises(InvalidPipeline):
            executor.draw(workspace, target)


class ForcefulExecutorContract(ExecutorContract):
    """For executors whose tasks run in processes of their own, which can be ended and can die."""

    def test_a_cancelled_task_is_gone_within_two_seconds_with_all_that_it_started(
        self, executor: Executor, workspace: Workspace, tmp_path: Path
    ) -> None:
        executor.start(task(workspace, "hang", values={"path": str(tmp_path / "pids")}))
        pids = told(tmp_path / "pids")
        began = time.monotonic()
        executor.cancel("1/hang")
        assert only(executor).error == "cancelled"
        until(lambda: not any(map(alive, pids)), "the processes ended")
        assert time.monotonic() - began < 2

    def test_a_task_is_ended_at_its_timeout_with_all_that_it_started(
        self, executor: Executor, workspace: Workspace, tmp_path: Path
    ) -> None:
        path = tmp_path / "pids"
        executor.start(task(workspace, "hang", values={"path": str(path)}, options=Options(timeout=1)))
        outcome = only(executor)
        assert (outcome.error, outcome.lost) == ("it took longer than its timeout of 1 s", False)
        until(lambda: not any(map(alive, told(path))), "the processes ended")

    def test_a_task_that_needs_more_memory_than_it_declared_is_ended(
        self, executor: Executor, workspace: Workspace
    ) -> None:
        executor.start(task(workspace, "devour", options=Options(memory=200_000_000)))
        outcome = only(executor)
        assert (outcome.error, outcome.lost) == ("needed more than its 200 MB", False)

    def test_a_task_whose_worker_is_killed_is_lost_and_the_next_one_is_not(
        self, executor: Executor, workspace: Workspace
    ) -> None:
        executor.start(task(workspace, "devoured"))
        outcome = only(executor)
        assert outcome.lost
        assert outcome.error
        executor.start(task(workspace, "numbers", values={"count": 3}))
        assert only(executor).outputs["result"].digest == digest_bytes(b"[0,1,2]")

    def test_tasks_run_beside_each_other(
        self, executor: Executor, workspace: Workspace, tmp_path: Path
    ) -> None:
        for name in ("one", "two"):
            executor.start(task(workspace, "hang", run=name, values={"path": str(tmp_path / name)}))
        assert all(told(tmp_path / name) for name in ("one", "two"))
        executor.cancel("one/hang")
        executor.cancel("two/hang")
        assert {outcome.error for outcome in gathered(executor, 2)} == {"cancelled"}


def task(
    workspace: Workspace,
    name: str,
    *,
    run: str = "1",
    options: Options | None = None,
    token: int = 1,
    outputs: tuple[str, ...] = ("result",),
    inputs: dict[str, Artifact] | None = None,
    values: dict[str, Any] | None = None,
) -> Task:
    """A task that runs a step of the project."""
    return Task(
        step_run=f"{run}/{name}",
        token=token,
        node=Node(
            name=name,
            kind="step",
            target=f"contracted.steps:{name}",
            outputs=outputs,
            options=options or Options(),
        ),
        workspace=workspace,
        as_of=datetime(2013, 3, 1, tzinfo=UTC),
        inputs=inputs or {},
        values=values or {},
    )


def gathered(executor: Executor, count: int) -> list[Outcome]:
    """The next outcomes, as many as asked for."""
    outcomes: list[Outcome] = []
    while len(outcomes) < count:
        arrived = executor.finished(PATIENCE)
        assert arrived, "no outcome came in time"
        outcomes += arrived
    return outcomes


def only(executor: Executor) -> Outcome:
    """The next outcome, the only one."""
    (outcome,) = gathered(executor, 1)
    return outcome


def told(path: Path) -> list[int]:
    """The processes that a step says it consists of, once it does."""
    until(path.exists, "the step began")
    return [int(pid) for pid in path.read_text().split()]


def alive(pid: int) -> bool:
    """Whether a process of this machine has not ended."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def until(happened: Callable[[], bool], what: str) -> None:
    """Wait for what other processes do."""
    deadline = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < deadline, f"it did not come to it that {what}"
        time.sleep(0.01)
