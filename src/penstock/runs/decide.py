"""Pure: what becomes of a run, given what it is and what was learned."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec.structs import replace

from penstock.core.events import Event
from penstock.datasets.types import Snapshot
from penstock.lineage.types import Lease
from penstock.pipelines.types import Node, Output, Param
from penstock.runs.keys import Ingredients, ingredients
from penstock.runs.types import Artifact, Metric, Outcome, Run, StepRun, Task

MAX_LOSSES = 3
"""A step whose worker died this often is not tried again: it is probably what kills it."""

_BARREN = ("failed", "skipped", "cancelled")


class Progress:
    """A run being carried forward: what it was, what it becomes, and what is to be told of it.

    Each method takes one fact into account. Nothing is stored and nothing is started here.
    """

    def __init__(self, run: Run, steps: Iterable[StepRun], now: datetime) -> None:
        self.now = now
        self.run = run
        self.steps = {step.name: step for step in steps}
        self.nodes = {node.name: node for node in run.graph.nodes}
        self._before: dict[str, Run | StepRun] = {}
        self.events: list[Event] = []
        self.metrics: list[Metric] = []
        self.snapshots: list[Snapshot] = []
        self.tasks: list[Task] = []

    def changed(self) -> bool:
        """Whether anything is no longer what it was."""
        return bool(self._before)

    def changed_from(self) -> tuple[Run, list[StepRun]]:
        """The run as it was, and the steps that are no longer what they were, as they were."""
        run = self._before.get("")
        return (run if isinstance(run, Run) else self.run), [
            s for s in self._before.values() if isinstance(s, StepRun)
        ]

    def changed_to(self) -> list[Run | StepRun]:
        """The nouns that are no longer what they were, as they are."""
        return [self.steps[name] if name else self.run for name in self._before]

    def succeeded(self, name: str) -> bool:
        """Whether a step has its outputs."""
        return self.steps[name].status == "succeeded"

    def ingredients_of(self, name: str) -> Ingredients | None:
        """What the result of a step depends on, None if the run has no such step."""
        return ingredients(self.run, self.nodes[name], self.steps) if name in self.nodes else None

    def settle(self, outcome: Outcome) -> None:
        """Take in what became of a task; refused unless it holds the step's present claim."""
        step = self.steps[outcome.step_run.partition("/")[2]]
        if step.status != "running" or step.token != outcome.token:
            return
        spent = replace(
            step,
            lease=None,
            seconds=outcome.seconds,
            cpu=outcome.cpu,
            memory=outcome.memory,
            figures=outcome.figures,
        )
        if outcome.error or outcome.lost:
            self._settle_error(spent, outcome)
        else:
            self._succeed(replace(spent, outputs=outcome.outputs))
            self._measure(step.name, outcome.metrics)
            self._remember_snapshots(outcome.outputs.values())

    def put_back(self, step: StepRun, why: str) -> None:
        """Queue a step again whose worker's process is gone through no fault of the step."""
        self._change(replace(step, status="queued", lease=None))
        self._tell("step.requeued", {"step": step.name, "why": why})

    def skip_hopeless(self) -> None:
        """Skip every step that waits for something that will never be."""
        for node in self.run.graph.nodes:
            step = self.steps[node.name]
            barren = [s for s in self._sources(node) if s.status in _BARREN]
            if step.status == "waiting" and barren:
                self._change(
                    replace(
                        step,
                        status="skipped",
                        finished=self.now,
                        why=f"skipped because {barren[0].name} {barren[0].status}",
                    )
                )

    def ready(self) -> list[Node]:
        """The nodes that wait and have all that they wait for."""
        return [
            node
            for node in self.run.graph.nodes
            if self.steps[node.name].status == "waiting"
            and all(source.status == "succeeded" for source in self._sources(node))
        ]

    def queue(self, node: Node, key: str, why: str) -> None:
        """Let a ready node be claimed."""
        self._change(replace(self.steps[node.name], status="queued", key=key, why=why))

    def take(self, node: Node, key: str, found: StepRun, metrics: Sequence[Metric]) -> None:
        """Take the result of an earlier step run with the same key in place of running a ready node."""
        origin = found.cached_from or found.id
        self._begin()
        self._succeed(
            replace(
                self.steps[node.name],
                key=key,
                outputs=found.outputs,
                figures=found.figures,
                cached_from=origin,
                started=self.now,
                why=f"cached from run {origin.partition('/')[0]} because nothing it depends on changed",
            )
        )
        self._measure(node.name, [(m.name, m.value, m.index) for m in metrics])

    def queued(self) -> list[StepRun]:
        """The steps that can be claimed."""
        return [step for step in self.steps.values() if step.status == "queued"]

    def running(self) -> list[StepRun]:
        """The steps that are claimed."""
        return [step for step in self.steps.values() if step.status == "running"]

    def claim(self, step: StepRun, owner: str, until: datetime) -> None:
        """Claim a queued step until a moment of the machine's time."""
        self._begin()
        token = step.token + 1
        self._change(
            replace(
                step,
                status="running",
                attempt=step.attempt + 1,
                token=token,
                lease=Lease(owner=owner, token=token, until=until),
                started=self.now,
            )
        )
        self.tasks.append(self._task(self.steps[step.name]))

    def renew(self, step: StepRun, until: datetime) -> None:
        """Hold a running step for longer."""
        if step.lease:
            self._change(replace(step, lease=replace(step.lease, until=until)))

    def conclude(self) -> None:
        """End the run if every step has ended."""
        steps = self.steps.values()
        if any(step.status in ("waiting", "queued", "running") for step in steps):
            return
        failed = next((step for step in steps if step.status == "failed"), None)
        error = f"{failed.name} failed: {failed.error}" if failed else ""
        status = "failed" if failed else "succeeded"
        self._begin()
        self._change(replace(self.run, status=status, finished=self.now, error=error))
        self._tell(f"run.{status}", {"error": error} if error else {})

    def _settle_error(self, step: StepRun, outcome: Outcome) -> None:
        errors, losses = step.errors + (not outcome.lost), step.losses + outcome.lost
        gone = replace(step, errors=errors, losses=losses, error=outcome.error)
        if errors > self.nodes[step.name].options.retries or losses >= MAX_LOSSES:
            self._change(replace(gone, status="failed", finished=self.now))
            self._tell("step.failed", {"step": step.name, "error": outcome.error, "attempt": step.attempt})
        else:
            self._change(replace(gone, status="queued"))
            self._tell("step.requeued", {"step": step.name, "why": outcome.error})

    def _succeed(self, step: StepRun) -> None:
        self._change(replace(step, status="succeeded", finished=self.now, error=""))
        outputs = {name: artifact.digest for name, artifact in step.outputs.items()}
        self._tell("step.finished", {"step": step.name, "why": step.why, "outputs": outputs})

    def _measure(self, name: str, metrics: Iterable[tuple[str, float, int]]) -> None:
        """Keep what was measured: the last value of each place; what is not a number stays in the log."""
        values = {(metric, index): value for metric, value, index in metrics if math.isfinite(value)}
        self.metrics += [
            Metric(
                id=f"{self.run.id}/{name}/{metric}/{index}",
                run=self.run.id,
                step=name,
                name=metric,
                value=value,
                index=index,
                time=self.now,
            )
            for (metric, index), value in values.items()
        ]

    def _remember_snapshots(self, artifacts: Iterable[Artifact]) -> None:
        self.snapshots += [
            msgspec.convert(artifact.meta["snapshot"], Snapshot)
            for artifact in artifacts
            if "snapshot" in artifact.meta
        ]

    def _begin(self) -> None:
        if self.run.status == "queued":
            self._change(replace(self.run, status="running", started=self.run.started or self.now))
            self._tell("run.started", {})

    def _sources(self, node: Node) -> list[StepRun]:
        return [self.steps[source.node] for source in node.inputs.values() if isinstance(source, Output)]

    def _task(self, step: StepRun) -> Task:
        node = self.nodes[step.name]
        inputs: dict[str, Artifact] = {}
        values: dict[str, Any] = {}
        for name, source in node.inputs.items():
            if isinstance(source, Output):
                inputs[name] = self.steps[source.node].outputs[source.name]
            else:
                values[name] = self.run.params[source.name] if isinstance(source, Param) else source.value
        return Task(
            step_run=step.id,
            token=step.token,
            node=node,
            workspace=self.run.workspace,
            as_of=self.run.as_of,
            inputs=inputs,
            values=values,
        )

    def _change(self, noun: Run | StepRun) -> None:
        if isinstance(noun, Run):
            self._before.setdefault("", self.run)
            self.run = noun
        else:
            self._before.setdefault(noun.name, self.steps[noun.name])
            self.steps[noun.name] = noun

    def _tell(self, kind: str, evidence: dict[str, Any]) -> None:
        self.events.append(
            Event(
                kind=kind,
                subject=f"run:{self.run.id}",
                time=self.now,
                project=self.run.project,
                evidence=evidence,
                cause=self.run.event or None,
            )
        )


def expired(step: StepRun, machine_now: datetime) -> bool:
    """Whether whoever holds a running step has not been heard of in time."""
    return step.lease is None or step.lease.until <= machine_now


def due_for_renewal(step: StepRun, machine_now: datetime, lease: timedelta) -> bool:
    """Whether more than half of the lease has passed."""
    return step.lease is not None and step.lease.until - machine_now < lease / 2
