"""The orchestrator's verbs: submit, tick, cancel, retry, explain."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from importlib import metadata
from typing import Any
from uuid import uuid4

from msgspec.structs import replace

from penstock.core.clock import Clock, SystemClock
from penstock.core.errors import Conflict, InvalidValue
from penstock.core.events import Event
from penstock.lineage.ports import Blobs, Store, Transaction
from penstock.pipelines.graph import coerce, validate
from penstock.pipelines.types import Graph
from penstock.runs.earlier import find_hit, kept_as_of, previous
from penstock.runs.experiments import of_pipeline
from penstock.runs.explain import Explanation, explain
from penstock.runs.ports import Executor, Logged
from penstock.runs.room import check_fits
from penstock.runs.scheduler import Scheduler
from penstock.runs.secrets import StepSecrets, require_secrets
from penstock.runs.types import Origin, Run, StepRun, Workspace
from penstock.runs.views import ACTIVE, active

LEASE = timedelta(seconds=30)
NO_ORIGIN = Origin()


class Runs:
    """Takes graphs and gets every step done, once in effect.

    `machine` tells the machine's time, by which claims are held; `owner` names this process in them as
    `host:…`.
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
        secrets: StepSecrets | None = None,
        logged: Logged | None = None,
    ) -> None:
        self._store = store
        self._blobs = blobs
        self._clock = clock
        self._owner = owner or f"{os.uname().nodename}:{os.getpid()}:{uuid4().hex[:8]}"
        self._executor = executor
        self._scheduler = Scheduler(
            store,
            blobs,
            executor,
            machine=machine or SystemClock(),
            owner=self._owner,
            lease=lease,
            secrets=secrets,
            logged=logged,
        )

    def submit(
        self,
        *,
        project: str,
        pipeline: str,
        environment: str,
        graph: Graph,
        workspace: Workspace,
        params: Mapping[str, Any],
        origin: Origin = NO_ORIGIN,
        release: str = "",
        firing: str = "",
        sweep: str = "",
        actor: str = "penstock",
        priority: int = 0,
        cause: int | None = None,
        as_of: datetime | None = None,
        tx: Transaction | None = None,
    ) -> Run:
        """Put a run in the queue, in the open transaction `tx` if one is given.

        It reads sources as of a time that is past, or of now where none is named.
        Raises InvalidPipeline for a graph that cannot be run or that there can never be room for, and
        InvalidValue for a time to come and for a parameter that is unknown, missing or of another type, and
        NotFound for a secret that the environment lacks.
        """
        self.check(graph)
        bound = coerce(graph, params)
        now = self._clock.now()
        read_as = _past(as_of, now)
        with self._within(tx) as change:
            require_secrets(change, project, environment, graph)
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
                    **({"as_of": as_of} if as_of else {}),
                },
                cause=cause,
            )
            run = Run(
                id=number,
                experiment=of_pipeline(change, project, pipeline, now),
                project=project,
                pipeline=pipeline,
                environment=environment,
                release=release,
                firing=firing,
                graph=graph,
                params=bound,
                workspace=_with_penstock(workspace),
                as_of=read_as,
                created=now,
                origin=origin,
                sweep=sweep,
                actor=actor,
                priority=priority,
                event=change.publish(queued)[0],
            )
            change.add(
                run,
                *(StepRun(id=f"{number}/{node.name}", run=number, name=node.name) for node in graph.nodes),
            )
        return run

    def check(self, graph: Graph) -> None:
        """Raises InvalidPipeline for a graph that cannot be run or that there can never be room for."""
        validate(graph)
        check_fits(graph, self._executor.rooms())

    def tick(self, now: datetime) -> bool:
        """Take in what has ended, put back what was lost, and start what can be started."""
        return self._scheduler.tick(now)

    def wait(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds for tasks to end; True if the next tick has outcomes to take in."""
        return self._scheduler.wait(timeout)

    def seen(self, run: str) -> tuple[Run, list[StepRun]]:
        """A run and its steps in the order of its graph, as the last tick left them. Raises NotFound."""
        return self._scheduler.seen(run)

    def cancel(self, run: str, *, actor: str = "penstock") -> Run:
        """End a run before its time. Raises NotFound, and Conflict if it has ended."""
        now = self._clock.now()
        with self._store.begin() as tx:
            found = tx.get(Run, run)
            _require_own(found)
            if found.status not in ACTIVE:
                raise Conflict(what=f"Run {run} cannot be cancelled: it has already {found.status}.")
            return end(tx, found, f"cancelled by {actor}", actor, now)

    def retry(self, run: str, *, actor: str = "penstock") -> Run:
        """Queue a failed or cancelled run again; what it finished is kept. Raises NotFound or Conflict."""
        now = self._clock.now()
        gone = self._results_gone(run)
        with self._store.begin() as tx:
            found = tx.get(Run, run)
            _require_own(found)
            if found.status not in ("failed", "cancelled"):
                raise Conflict(
                    what=f"Run {run} cannot be retried: it is {found.status}.",
                    fix="Only a run that failed or was cancelled can be retried.",
                )
            if gone:
                raise Conflict(
                    what=f"Run {run} cannot go on from where it failed: the result of `{gone[0]}` is gone.",
                    fix="Start a new run of its pipeline.",
                )
            (event,) = tx.publish(_event(found, "run.queued", actor, now, again=True))
            again = replace(found, status="queued", finished=None, error="", event=event)
            tx.put(
                again,
                *(
                    StepRun(id=step.id, run=step.run, name=step.name, items=step.items, token=step.token)
                    for step in tx.find(StepRun, run=run, status=("failed", "skipped", "cancelled"))
                ),
            )
        return again

    def _results_gone(self, run: str) -> list[str]:
        """The steps of a run that succeeded and whose results are no longer there or damaged."""
        with self._store.read() as reader:
            kept = reader.find(StepRun, run=run, status="succeeded")
        return [
            step.name
            for step in kept
            if not all(self._blobs.has(artifact.digest) for artifact in step.outputs.values())
        ]

    def recover(self, ended: Callable[[str], bool]) -> bool:
        """Put back every step that is claimed by a process which has ended, as `ended` tells by its name.

        True if there was one. Without it such steps wait until their lease ends.
        """
        now = self._clock.now()
        with self._store.begin() as tx:
            orphans = [
                step
                for step in tx.find(StepRun, run=active(tx), status="running")
                if step.lease and step.lease.owner != self._owner and ended(step.lease.owner)
            ]
            for step in orphans:
                tx.put(replace(step, status="queued", lease=None))
                why = "the process that had claimed it is gone"
                tx.publish(
                    _event(tx.get(Run, step.run), "step.requeued", "penstock", now, step=step.name, why=why)
                )
        return bool(orphans)

    def explain(
        self,
        graph: Graph,
        *,
        project: str,
        workspace: Workspace,
        params: Mapping[str, Any],
        environment: str = "",
        as_of: datetime | None = None,
    ) -> list[Explanation]:
        """What a run would do, step by step and why, without running anything. Raises as `submit`."""
        now = self._clock.now()
        supposed = Run(
            id="",
            project=project,
            pipeline=graph.pipeline,
            environment=environment,
            release="",
            firing="",
            graph=graph,
            params=coerce(graph, params),
            workspace=_with_penstock(workspace),
            as_of=_past(as_of, now),
            created=now,
        )
        with self._store.read() as reader:
            return explain(
                supposed,
                previous(reader, supposed),
                self._blobs,
                lambda key: find_hit(reader, self._blobs, key),
                lambda node: kept_as_of(reader, self._blobs, supposed, node),
            )

    @contextmanager
    def _within(self, tx: Transaction | None) -> Iterator[Transaction]:
        if tx is not None:
            yield tx
        else:
            with self._store.begin() as own:
                yield own


def _past(as_of: datetime | None, now: datetime) -> datetime:
    """As of when a run reads. Raises InvalidValue for a time to come."""
    if as_of is not None and as_of > now:
        raise InvalidValue(
            what="A run cannot read as of a time that has not come yet",
            expected=f"one until now, {now:%Y-%m-%d %H:%M:%S} UTC",
            found=as_of.isoformat(),
        )
    return as_of or now


def _require_own(run: Run) -> None:
    if run.told:
        raise Conflict(
            what=f"Run {run.id} is carried out by something else, which tells how it ends.",
            fix="Stop or start it there.",
        )


def end(tx: Transaction, run: Run, why: str, actor: str, now: datetime) -> Run:
    """Cancel a run that is queued or running, with all that it has not done."""
    ended = replace(run, status="cancelled", finished=now, error=why)
    left = tx.find(StepRun, run=run.id, status=("waiting", *ACTIVE))
    tx.put(ended, *(replace(step, status="cancelled", lease=None, finished=now) for step in left))
    tx.publish(_event(ended, "run.cancelled", actor, now, why=why))
    return ended


def _with_penstock(workspace: Workspace) -> Workspace:
    """A workspace whose environment has the Penstock that runs, as all have when a run begins."""
    return replace(workspace, penstock=metadata.version("penstock"))


def _event(run: Run, kind: str, actor: str, now: datetime, **evidence: Any) -> Event:
    return Event(
        kind=kind,
        subject=f"run:{run.id}",
        time=now,
        actor=actor,
        project=run.project,
        evidence={"environment": run.environment, **evidence},
        cause=run.event or None,
    )
