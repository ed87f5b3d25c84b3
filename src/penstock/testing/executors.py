"""A fake of the executor that a test answers by hand."""

from __future__ import annotations

from collections.abc import Sequence

from penstock.core.errors import InvalidPipeline
from penstock.pipelines.types import Graph
from penstock.runs.room import ANYTHING, Room
from penstock.runs.types import Outcome, Task, Workspace


class FakeExecutor:
    """An executor whose tasks wait until the test answers them; `started` keeps every task it was given.

    A cancelled task answers by itself that it was ended, as a real executor's does.
    """

    def __init__(self, size: int = 2, room: Room = ANYTHING) -> None:
        self.size = size
        self.room = room
        self.started: list[Task] = []
        self.cancelled: list[str] = []
        self._waiting: dict[tuple[str, int], Task] = {}
        self._outcomes: list[Outcome] = []

    def free(self) -> int:
        """See `Executor.free`."""
        return self.size - len(self._waiting)

    def rooms(self) -> Sequence[Room]:
        """See `Executor.rooms`."""
        return (self.room,)

    def start(self, task: Task) -> None:
        """See `Executor.start`."""
        self.started.append(task)
        self._waiting[task.step_run, task.token] = task

    def finished(self, timeout: float) -> Sequence[Outcome]:  # noqa: ARG002 - the port's
        """See `Executor.finished`; never waits."""
        outcomes, self._outcomes = self._outcomes, []
        return outcomes

    def cancel(self, step_run: str) -> None:
        """See `Executor.cancel`."""
        for waiting, token in list(self._waiting):
            if waiting == step_run:
                self.cancelled.append(step_run)
                self.answer(Outcome(step_run=step_run, token=token, error="cancelled"))

    def warm(self, workspace: Workspace) -> None:
        """See `Executor.warm`: there is nothing to get ready."""

    def draw(self, workspace: Workspace, target: str) -> Graph:  # noqa: ARG002 - the port's
        """See `Executor.draw`; knows no pipeline."""
        raise InvalidPipeline(what=f"There is no pipeline {target}")

    def close(self) -> None:
        """See `Executor.close`."""
        self._waiting.clear()

    def waiting(self) -> list[Task]:
        """The tasks that have not been answered."""
        return list(self._waiting.values())

    def answer(self, outcome: Outcome) -> None:
        """Say what became of a task, be it one that was never given or was answered before."""
        self._waiting.pop((outcome.step_run, outcome.token), None)
        self._outcomes.append(outcome)
