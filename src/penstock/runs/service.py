"""The orchestrator's verbs: submit, tick, cancel, retry, explain."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from msgspec.structs import replace

from penstock.core.clock import Clock, SystemClock
from penstock.core.errors import Conflict
from penstock.core.events import Event
from penstock.datasets.types import Snapshot
from penstock.lineage.ports import Blobs, Reader, Store, Transaction
from penstock.pipelines.graph import coerce, validate
from penstock.pipelines.types import Graph, Node
from penstock.runs.decide import Progress, due_for_renewal, expired
from penstock.runs.explain import Explanation, explain
from penstock.runs.keys import because, cache_key, cacheable, ingredients
from penstock.runs.ports import Executor
from penstock.runs.types import Metric, Outcome, Run, StepRun, Workspace
from penstock.runs.views import ACTIVE, Views

LEASE = timedelta(seconds=30)


class Runs:
    """Takes graphs and gets every step done, once in effect.

    `machine` tells the machine's time, by which claims are held; `owner` names this process in them.
    """

    def __init__(
        self,
        store: Store,
        blobs: Blobs,
        executor: Executor,
        clock: Clock,
        *,
        machine: Clock | None = None,
        owner: str = "",
        lease: timedelta = LEASE,
    ) -> None:
        self._store = store
        self._blobs = blobs
        self._executor = executor
        self._clock = clock
        self._machine = machine or SystemClock()
        self._owner = owner or f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"
        self._lease = lease
        self._views = Views(self._owner)
        self._held: dict[str, int] = {}
        self._arrived: list[Outcome] = []
        self._compared: dict[str, Progress | None] = {}

    def submit(
        self,
        *,
        project: str,
        pipeline: str,
        environment: str,
        graph: Graph,
        workspace: Workspace,
        params: Mapping[str, Any],
        release: str = "",
        firing: str = "",
        actor: str = "penstock",
        cause: int | None = None,
        tx: Transaction | None = None,
    ) -> Run:
        """Put a run in the queue, in the open transaction `tx` if one is given.

        Raises InvalidPipeline for a graph that cannot be run, and InvalidValue for a parameter that
        is unknown, missing or of another type.
        """
        validate(graph)
        bound = coerce(graph, params)
        now = self._clock.now()
        with self._within(tx) as change:
            number = change.mint(Run)
            queued = Event(
                kind="run.queued",
                subject=f"run:{number}",
                time=now,
                actor=actor,
                project=project,
                evidence={
                    "pipeline": pipeline,
                    "environment": environment,
                    "params": bound,
                    "release": release,
                },
                cause=cause,
            )
            run = Run(
                id=number,
                project=project,
                pipeline=pipeline,
                environment=environment,
                release=release,
                firing=firing,
                graph=graph,
                params=bound,
                workspace=workspace,
                as_of=now,
                created=now,
                actor=actor,
                event=change.publish(queued)[0],
            )
            change.add(
                run,
                *(StepRun(id=f"{number}/{node.name}", run=number, name=node.name) for node in graph.nodes),
            )
        return run

    def tick(self, now: datetime) -> bool:
        """Take in what has ended, put back what was lost, and start what can be started."""
        self.wait(0)
        outcomes, machine_now = self._arrived, self._machine.now()
        with self._store.read() as reader:
            under_way = self._views.under_way(reader, now)
            for progress in under_way:
                self._carry(progress, outcomes, machine_now, reader)
        free = self._executor.free()
        for progress in under_way:
            for step in progress.queued()[:free]:
                progress.claim(step, self._owner, machine_now + self._lease)
            free -= len(progress.tasks)
            progress.conclude()
        self._end_unwanted(under_way)
        return self._apply([progress for progress in under_way if progress.changed()])

    def wait(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds for tasks to end; True if the next tick has outcomes to take in."""
        for outcome in self._executor.finished(0 if self._arrived else timeout):
            self._arrived.append(outcome)
            if self._held.get(outcome.step_run) == outcome.token:
                del self._held[outcome.step_run]
        return bool(self._arrived)

    def seen(self, run: str) -> tuple[Run, list[StepRun]]:
        """A run and its steps in the order of its graph, as the last tick left them. Raises NotFound."""
        known = self._views.last(run)
        if known:
            return known
        with self._store.read() as reader:
            return reader.get(Run, run), reader.find(StepRun, run=run)

    def cancel(self, run: str, *, actor: str = "penstock") -> Run:
        """End a run before its time. Raises NotFound, and Conflict if it has ended."""
        now = self._clock.now()
        with self._store.begin() as tx:
            found = tx.get(Run, run)
            if found.status not in ACTIVE:
                raise Conflict(what=f"Run {run} cannot be cancelled: it has already {found.status}.")
            ended = replace(found, status="cancelled", finished=now, error=f"cancelled by {actor}")
            tx.put(
                ended,
                *(
                    replace(step, status="cancelled", lease=None, finished=now)
                    for step in tx.find(StepRun, run=run, status=("waiting", *ACTIVE))
                ),
            )
            tx.publish(_event(ended, "run.cancelled", actor, now))
        return ended

    def retry(self, run: str, *, actor: str = "penstock") -> Run:
        """Queue a failed or cancelled run again; what it finished is kept. Raises NotFound or Conflict."""
        now = self._clock.now()
        with self._store.begin() as tx:
            found = tx.get(Run, run)
            if found.status not in ("failed", "cancelled"):
                raise Conflict(
                    what=f"Run {run} cannot be retried: it is {found.status}.",
                    fix="Only a run that failed or was cancelled can be retried.",
                )
            (event,) = tx.publish(_event(found, "run.queued", actor, now, again=True))
            again = replace(found, status="queued", finished=None, error="", event=event)
            tx.put(
                again,
                *(
                    StepRun(id=step.id, run=step.run, name=step.name, token=step.token)
                    for step in tx.find(StepRun, run=run, status=("failed", "skipped", "cancelled"))
                ),
            )
        return again

    def recover(self, owner_prefix: str = "") -> bool:
        """Put back every step that is claimed by another process whose name begins so, and that is dead.

        True if there was one. Without it such steps wait until their lease ends.
        """
        now = self._clock.now()
        with self._store.begin() as tx:
            orphans = [
                step
                for step in tx.find(StepRun, status="running")
                if step.lease
                and step.lease.owner.startswith(owner_prefix)
                and step.lease.owner != self._owner
            ]
            for step in orphans:
                tx.put(replace(step, status="queued", lease=None))
                why = "the process that had claimed it is gone"
                tx.publish(
                    _event(tx.get(Run, step.run), "step.requeued", "penstock", now, step=step.name, why=why)
                )
        return bool(orphans)

    def explain(
        self, graph: Graph, *, project: str, workspace: Workspace, params: Mapping[str, Any]
    ) -> list[Explanation]:
        """What a run would do, step by step and why, without running anything."""
        now = self._clock.now()
        supposed = Run(
            id="",
            project=project,
            pipeline=graph.pipeline,
            environment="",
            release="",
            firing="",
            graph=graph,
            params=coerce(graph, params),
            workspace=workspace,
            as_of=now,
            created=now,
        )
        with self._store.read() as reader:
            return explain(supposed, previous(reader, supposed), lambda key: self._hit(reader, key))

    def _carry(
        self, progress: Progress, outcomes: Iterable[Outcome], machine_now: datetime, reader: Reader
    ) -> None:
        """Everything that becomes of a run before new claims are made."""
        for outcome in outcomes:
            if outcome.step_run.startswith(f"{progress.run.id}/"):
                progress.settle(outcome)
        for step in progress.running():
            if self._held.get(step.id) == step.token:
                if due_for_renewal(step, machine_now, self._lease):
                    progress.renew(step, machine_now + self._lease)
            elif expired(step, machine_now):
                progress.put_back(step, "the process that had claimed it was not heard of in time")
        progress.skip_hopeless()
        while nodes := progress.ready():
            for node in nodes:
                self._enter(progress, node, reader)

    def _enter(self, progress: Progress, node: Node, reader: Reader) -> None:
        """Take the earlier result of a ready node, or queue it."""
        found = ingredients(progress.run, node, progress.steps)
        key = cache_key(found) if cacheable(node) else ""
        hit = self._hit(reader, key)
        if hit:
            progress.take(node, key, hit, reader.find(Metric, run=hit.run, step=hit.name))
            return
        earlier = self._earlier(progress, reader)
        reason = because(node, found, earlier.ingredients_of(node.name) if earlier else None)
        progress.queue(node, key, f"ran {reason}")

    def _hit(self, reader: Reader, key: str) -> StepRun | None:
        """The newest success with this key whose outputs are all there and verify."""
        if not key:
            return None
        found = reader.find(StepRun, key=key, status="succeeded", order="-finished", limit=1)
        intact = found and all(self._blobs.has(artifact.digest) for artifact in found[0].outputs.values())
        return found[0] if intact else None

    def _apply(self, changed: Sequence[Progress]) -> bool:
        """Commit what was decided on nouns that are still what they were, then start the claimed tasks.

        Outcomes of a run that somebody else has changed meanwhile are kept for the next tick.
        """
        applied: list[Progress] = []
        if changed:
            with self._store.begin() as tx:
                applied = [progress for progress in changed if _unchanged(tx, progress)]
                for progress in applied:
                    _write(tx, progress)
        late = [progress for progress in changed if progress not in applied]
        for progress in late:
            self._views.forget(progress)
        numbers = {progress.run.id for progress in late}
        self._arrived = [o for o in self._arrived if o.step_run.partition("/")[0] in numbers]
        for progress in applied:
            self._views.keep(progress)
            for task in progress.tasks:
                self._held[task.step_run] = task.token
                self._executor.start(task)
        return bool(applied)

    def _end_unwanted(self, under_way: Iterable[Progress]) -> None:
        """End the tasks started here whose claim is gone: their run was cancelled, or others took it."""
        wanted = {
            step.id: step.token
            for progress in under_way
            for step in progress.steps.values()
            if step.status == "running"
        }
        for step_run, token in self._held.items():
            if wanted.get(step_run) != token:
                self._executor.cancel(step_run)

    def _earlier(self, progress: Progress, reader: Reader) -> Progress | None:
        """The last run of the same pipeline that succeeded; looked up once for each run."""
        run = progress.run
        if run.id not in self._compared:
            self._compared[run.id] = previous(reader, run)
        return self._compared[run.id]

    @contextmanager
    def _within(self, tx: Transaction | None) -> Iterator[Transaction]:
        if tx is not None:
            yield tx
        else:
            with self._store.begin() as own:
                yield own


def previous(reader: Reader, run: Run) -> Progress | None:
    """The last run of the same project and pipeline that succeeded, with its steps."""
    found = reader.find(
        Run, project=run.project, pipeline=run.pipeline, status="succeeded", order="-finished", limit=1
    )
    return Progress(found[0], reader.find(StepRun, run=found[0].id), run.as_of) if found else None


def _unchanged(tx: Transaction, progress: Progress) -> bool:
    """Whether the run and the steps that are about to change are still what they were."""
    run, steps = progress.changed_from()
    found = {step.id: step for step in tx.find(StepRun, id=tuple(step.id for step in steps))} if steps else {}
    return all(found[step.id] == step for step in steps) and bool(
        tx.count(Run, id=run.id, status=run.status, event=run.event)  # whatever changes a run changes these
    )


def _write(tx: Transaction, progress: Progress) -> None:
    tx.put(*progress.changed_to())
    tx.add(*progress.metrics)
    tx.add(*(snapshot for snapshot in progress.snapshots if not tx.count(Snapshot, id=snapshot.id)))
    tx.publish(*progress.events)


def _event(run: Run, kind: str, actor: str, now: datetime, **evidence: Any) -> Event:
    return Event(
        kind=kind,
        subject=f"run:{run.id}",
        time=now,
        actor=actor,
        project=run.project,
        evidence=evidence,
        cause=run.event or None,
    )
