"""What the orchestrator needs: something that executes tasks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from penstock.pipelines.types import Graph
from penstock.runs.types import Outcome, Task, Workspace


class Executor(Protocol):
    """Executes tasks in the environment of their workspace, some at a time.

    A task's log lines go to the file that the executor was told of, line by line while it runs.
    """

    def free(self) -> int:
        """How many more tasks can be started now."""
        ...

    def start(self, task: Task) -> None:
        """Begin a task; returns at once."""
        ...

    def finished(self, timeout: float) -> Sequence[Outcome]:
        """Outcomes that have arrived; waits up to `timeout` seconds for the first."""
        ...

    def cancel(self, step_run: str) -> None:
        """End a task and its whole process tree; its outcome says so."""
        ...

    def draw(self, workspace: Workspace, target: str) -> Graph:
        """Draw a pipeline inside its own environment. Raises InvalidPipeline."""
        ...

    def close(self) -> None:
        """End every worker; nothing is left behind."""
        ...
