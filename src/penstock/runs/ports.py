"""What the orchestrator needs: something that executes tasks, and something that searches parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from penstock.datasets.types import Source
from penstock.pipelines.types import Graph
from penstock.runs.room import Room
from penstock.runs.types import Outcome, Run, Task, Workspace

LOGGED = "logged"
"""The value of a snapshot's task that names the rows of a source of predictions."""
Logged = Callable[[Source, Run], str]
"""Keeps the rows of a source of predictions as of a run's time as a Parquet file; gives its digest."""


class Executor(Protocol):
    """Executes tasks in the environment of their workspace, some at a time, here or on many machines.

    A task's log lines go to the file that the executor was told of, line by line while it runs.
    """

    def free(self) -> int:
        """How many more tasks can be started now."""
        ...

    def rooms(self) -> Sequence[Room]:
        """The machines that tasks run on now, each as what its tasks may need together."""
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

    def warm(self, workspace: Workspace) -> None:
        """Get ready for a workspace that something will soon be asked of; returns at once."""
        ...

    def draw(self, workspace: Workspace, target: str) -> Graph:
        """Draw a pipeline inside its own environment. Raises InvalidPipeline."""
        ...

    def close(self) -> None:
        """End every worker; nothing is left behind."""
        ...


class Range(msgspec.Struct, frozen=True, kw_only=True, tag="range"):
    """Numbers from `low` to `high`, both included; `log` searches their orders of magnitude."""

    low: float
    high: float
    log: bool = False
    whole: bool = False


class Choice(msgspec.Struct, frozen=True, tag="choice"):
    """One of some values."""

    values: tuple[Any, ...]


Axis = Range | Choice


class Search(Protocol):
    """Suggests parameters to try and learns from what became of them."""

    def suggest(self, params: Mapping[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        """A trial and its parameters; `params` are taken where a trial with these was begun before."""
        ...

    def hopeless(self, trial: int, index: int, value: float) -> bool:
        """Take in what a trial measured at a point; True when others did better there. May be told again."""
        ...

    def tell(self, trial: int, value: float | None, *, pruned: bool) -> None:
        """End a trial with its result; None for one that failed or was pruned."""
        ...
