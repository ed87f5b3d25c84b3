"""What every executor does with the tasks it is given."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from penstock.core.errors import InvalidPipeline
from penstock.pipelines.types import Node
from penstock.runs.ports import Executor
from penstock.runs.types import Artifact, Outcome, Task, Workspace

PROJECT = """
import time
from typing import NamedTuple

from penstock import pipeline, step

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
def sleep() -> None:
    time.sleep(600)

@pipeline
def summed(count: int = 4):
    return total(numbers(count))
"""
PATIENCE = 30.0


class ExecutorContract:
    """Inherit, and give a fixture `executor` with room for two tasks."""

    @pytest.fixture
    def workspace(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
        """A project with a few steps of JSON values, which an executor in this process can import as well."""
        folder = tmp_path / "project"
        (folder / "contracted").mkdir(parents=True)
        (folder / "contracted" / "__init__.py").touch()
        (folder / "contracted" / "steps.py").write_text(PROJECT)
        monkeypatch.syspath_prepend(folder)
        yield Workspace(python=sys.executable, folder=str(folder), data_root=str(folder), lock="")
        for name in ("contracted", "contracted.steps"):
            sys.modules.pop(name, None)

    def test_a_task_gives_its_output_under_its_token(self, executor: Executor, workspace: Workspace) -> None:
        executor.start(task(workspace, "numbers", token=7, values={"count": 3}))
        outcome = only(executor)
        assert (outcome.step_run, outcome.token, outcome.error, outcome.lost) == ("1/numbers", 7, "", False)
        assert list(outcome.outputs) == ["result"]

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

    def test_a_cancelled_task_ends_at_once_and_says_so(
        self, executor: Executor, workspace: Workspace
    ) -> None:
        executor.start(task(workspace, "sleep"))
        executor.cancel("1/sleep")
        outcome = only(executor)
        assert (outcome.error, outcome.outputs) == ("cancelled", {})
        executor.cancel("1/sleep")
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


def task(
    workspace: Workspace,
    name: str,
    *,
    token: int = 1,
    outputs: tuple[str, ...] = ("result",),
    inputs: dict[str, Artifact] | None = None,
    values: dict[str, Any] | None = None,
) -> Task:
    """A task that runs a step of the project."""
    return Task(
        step_run=f"1/{name}",
        token=token,
        node=Node(name=name, kind="step", target=f"contracted.steps:{name}", outputs=outputs),
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
