"""Fakes of the executor: one that a test answers by hand, one that runs steps of JSON values at once."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import msgspec

from penstock.core.errors import InvalidPipeline, names_of
from penstock.lineage.ports import Blobs
from penstock.pipelines.types import Graph, Node
from penstock.runs.lists import FORMAT as LIST
from penstock.runs.lists import read_list
from penstock.runs.types import Artifact, Outcome, Task, Workspace


class FakeExecutor:
    """An executor whose tasks wait until the test answers them; `started` keeps every task it was given.

    A cancelled task answers by itself that it was ended, as a real executor's does.
    """

    def __init__(self, size: int = 2) -> None:
        self.size = size
        self.started: list[Task] = []
        self.cancelled: list[str] = []
        self._waiting: dict[tuple[str, int], Task] = {}
        self._outcomes: list[Outcome] = []

    def free(self) -> int:
        """See `Executor.free`."""
        return self.size - len(self._waiting)

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


class InlineExecutor(FakeExecutor):
    """Runs steps in this process when their outcome is asked for; their values are JSON-like.

    For pipelines in tests: no timeouts, no captured output, and only nodes of kind `step`.
    """

    def __init__(self, blobs: Blobs, size: int = 2) -> None:
        super().__init__(size)
        self._blobs = blobs

    def finished(self, timeout: float) -> Sequence[Outcome]:
        """See `Executor.finished`; runs what was started."""
        for task in self.waiting():
            self.answer(self._run(task))
        return super().finished(timeout)

    def draw(self, workspace: Workspace, target: str) -> Graph:  # noqa: ARG002 - the port's
        """See `Executor.draw`; imports the pipeline into this process."""
        try:
            graph: Graph = _named(target).draw()
        except (ImportError, AttributeError) as error:
            raise InvalidPipeline(what=f"There is no pipeline {target}: {error}") from error
        return graph

    def _run(self, task: Task) -> Outcome:
        outcome = Outcome(step_run=task.step_run, token=task.token)
        try:
            inputs = {name: self._value(artifact) for name, artifact in task.inputs.items()}
            value = _named(task.node.target)(**inputs, **task.values)
            outputs = self._outputs(task.node, value)
        except Exception as error:  # noqa: BLE001 - whatever user code raises is the outcome
            sentence = f"{type(error).__name__}: {error}"
            return msgspec.structs.replace(outcome, error=sentence, raised=names_of(error))
        return msgspec.structs.replace(outcome, outputs=outputs)

    def _value(self, artifact: Artifact) -> Any:
        data = self._blobs.get(artifact.digest)
        if artifact.format == LIST:
            return [self._value(element) for element in read_list(data)]
        return msgspec.json.decode(data)

    def _outputs(self, node: Node, value: object) -> dict[str, Artifact]:
        values = [value] if len(node.outputs) == 1 else list(value)  # type: ignore[call-overload]
        encoded = [msgspec.json.encode(part) for part in values]
        return {
            name: Artifact(digest=self._blobs.put(data), format="json", size=len(data))
            for name, data in zip(node.outputs, encoded, strict=True)
        }


def _named(target: str) -> Any:
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)
