"""Carries runs forward: one tick takes in what has ended and starts what can be started."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec.structs import replace

from penstock.core.clock import Clock
from penstock.core.errors import PenstockError
from penstock.datasets.types import Snapshot, Source
from penstock.lineage.ports import Blobs, Reader, Store, Transaction
from penstock.lineage.types import Lease
from penstock.runs.agenda import OPEN
from penstock.runs.decide import Progress, due_for_renewal, expired, too_long
from penstock.runs.earlier import (
    DECLARED,
    KEPT,
    PAST,
    TAKEN,
    declared,
    find_hit,
    ingredients_before,
    kept_as_of,
    previous,
    read_before,
)
from penstock.runs.here import do_here, needs_worker
from penstock.runs.keys import because, cache_key, cacheable
from penstock.runs.ports import LOGGED, Executor, Logged
from penstock.runs.room import admitted, may_start
from penstock.runs.secrets import StepSecrets
from penstock.runs.types import Metric, Outcome, Run, StepRun, Task
from penstock.runs.views import Views, active


class Scheduler:
    """Claims steps for one executor under the name `owner`, each for a `lease` of the machine's time."""

    def __init__(
        self,
        store: Store,
        blobs: Blobs,
        executor: Executor,
        *,
        machine: Clock,
        owner: str,
        lease: timedelta,
        secrets: StepSecrets | None,
        logged: Logged | None,
    ) -> None:
        self._store = store
        self._blobs = blobs
        self._executor = executor
        self._machine = machine
        self._owner = owner
        self._lease = lease
        self._secrets = secrets
        self._logged = logged
        self._views = Views(owner)
        self._held: dict[str, int] = {}
        self._arrived: list[Outcome] = []
        self._compared: dict[str, Progress | None] = {}
        self._in_flight: set[str] = set()
        self._held_up: dict[str, str] = {}
        self._another_may_go_on = False
        self._turn = -1

    def tick(self, now: datetime) -> bool:
        """Take in what has ended, put back what was lost, and start what can be started.

        While nobody else writes, what has ended is taken in without asking what is under way: where that
        turns out to be wrong, it is asked at once.
        """
        if not self._arrived:
            self.wait(0)
        try:
            seen = self._views.as_seen(now) if self._arrived else None
            changed = seen is not None and self._tick(now, seen)
            if changed and self._views.sure:
                return True
            return self._tick(now) or changed
        except BaseException:
            self._views.forget_all()
            raise

    def _tick(self, now: datetime, seen: list[Progress] | None = None) -> bool:
        outcomes, machine_now = self._arrived, self._machine.now()
        with self._store.read() as reader:
            found = self._views.under_way(reader, now) if seen is None else seen
            under_way = sorted(found, key=lambda p: -p.run.priority)
            known = self._here((step.id, step.lease) for p in under_way for step in p.running())
            allowed = admitted(progress.run for progress in under_way)
            self._compared = {
                p.run.id: self._compared[p.run.id] for p in under_way if p.run.id in self._compared
            }
            self._in_flight = _in_flight(under_way)
            self._held_up = {}
            for progress in under_way:
                self._take_in(progress, outcomes, machine_now)
                if progress.run.id in allowed:
                    self._carry(progress, reader)
        self._claim(under_way, machine_now)
        for progress in under_way:
            progress.conclude()
        self._end_unwanted(under_way)
        applied = self._apply([progress for progress in under_way if progress.changed()], known)
        held_up = set(self._held_up.values())
        self._another_may_go_on = bool(applied and held_up and held_up - _in_flight(under_way))
        return applied

    def wait(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds for tasks to end; True if the next tick has outcomes to take in."""
        at_once = self._arrived or self._another_may_go_on
        for outcome in self._executor.finished(0 if at_once else timeout):
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

    def _take_in(self, progress: Progress, outcomes: Iterable[Outcome], machine_now: datetime) -> None:
        """What became of the steps that are claimed."""
        for outcome in outcomes:
            if outcome.step_run.startswith(f"{progress.run.id}/"):
                progress.settle(outcome, machine_now)
        for step in progress.running():
            if self._held.get(step.id) == step.token:
                if due_for_renewal(step, machine_now, self._lease):
                    progress.renew(step, machine_now + self._lease)
            elif expired(step, machine_now):
                progress.put_back(step, "the process that had claimed it was not heard of in time")
            elif too_long(step, machine_now, self._lease):
                progress.renew(step, machine_now + self._lease)

    def _carry(self, progress: Progress, reader: Reader) -> None:
        """What can be said of the steps that wait, before new claims are made."""
        progress.skip_hopeless()
        while steps := [step for step in progress.ready() if step.id not in self._held_up]:
            for step in steps:
                self._enter(progress, step, reader)
            progress.skip_hopeless()

    def _here(self, claimed: Iterable[tuple[str, Lease | None]]) -> set[str]:
        """Of the steps that are claimed, those that this machine does, in whatever process."""
        return {step for step, lease in claimed if lease and _host(lease.owner) == _host(self._owner)}

    def _claim(self, under_way: Sequence[Progress], machine_now: datetime) -> None:
        """Claim what there is room for beside what is done already from this machine, in whatever process."""
        waiting = [(progress, step) for progress in under_way for step in progress.queued(machine_now)]
        slots = self._executor.free() if waiting else 0
        if not slots:
            return
        held = [
            progress.options(step.name)
            for progress in under_way
            for step in progress.running()
            if self._here([(step.id, step.lease)])
        ]
        wanted = [progress.options(step.name) for progress, step in waiting]
        for position in may_start(self._executor.rooms(), held, wanted, slots):
            progress, step = waiting[position]
            progress.claim(step, self._owner, machine_now + self._lease)

    def _enter(self, progress: Progress, step: StepRun, reader: Reader) -> None:
        """Do a ready step that needs no worker, take the earlier result of another, or queue it.

        What is being made for another step already is waited for, and made here only if that fails.
        """
        if not needs_worker(progress, step):
            do_here(progress, step, self._blobs)
            return
        node = progress.node(step.name)
        found = progress.ingredients_of(step.name)
        key = cache_key(found) if cacheable(node) else ""
        if key in self._in_flight:
            self._held_up[step.id] = key
            return
        hit = find_hit(reader, self._blobs, key)
        if hit.step:
            metrics = reader.find(Metric, run=hit.step.run, step=hit.step.name)
            progress.take(step, key, hit.step, metrics)
            return
        before = ingredients_before(self._earlier(progress, reader), step.name)
        reason = because(node, found, before, hit.spoiled, progress.past(node))
        progress.queue(step, key, f"ran {reason}")
        self._in_flight |= {key} - {""}

    def _apply(self, changed: Sequence[Progress], known: set[str]) -> bool:
        """Commit what was decided on nouns that are still what they were, then start the claimed tasks.

        Outcomes of a run that somebody else has changed meanwhile are kept for the next tick.
        """
        applied: list[Progress] = []
        if changed:
            with self._store.begin() as tx:
                alone = tx.turn == self._turn + 1
                current = changed if alone and self._views.sure else self._current(tx, changed, known)
                applied = [progress for progress in current if _applied(tx, progress)]
            self._turn = tx.turn
            self._views.written(alone=alone)
        late = {progress.run.id for progress in changed if progress not in applied}
        if late:
            self._views.forget_all()
        self._arrived = [o for o in self._arrived if o.step_run.partition("/")[0] in late]
        for progress in applied:
            for task in progress.tasks:
                self._start(progress.run, task)
        return bool(applied)

    def _current(self, tx: Transaction, changed: Sequence[Progress], known: set[str]) -> list[Progress]:
        """What was decided on nouns that are still what they were.

        Claims rest on all that was seen of this machine, so there are none if any of it was otherwise
        or if more is claimed here than was `known`.
        """
        current = [progress for progress in changed if _unchanged(tx, progress)]
        if not any(progress.tasks for progress in current):
            return current
        if (
            len(current) == len(changed)
            and self._here(tx.pick(StepRun, ("id", "lease"), run=active(tx), status="running")) <= known
        ):
            return current
        return [progress for progress in current if not progress.tasks]

    def _start(self, run: Run, task: Task) -> None:
        """Hand a task over with its secrets and what it cannot read itself; where that cannot be had, it has
        failed.
        """
        names = task.node.options.secrets
        try:
            given = self._secrets.values(run.project, run.environment, names) if self._secrets else {}
            task = self._with_rows(run, task)
        except PenstockError as error:
            self._arrived.append(Outcome(step_run=task.step_run, token=task.token, error=str(error)))
            return
        self._held[task.step_run] = task.token
        self._executor.start(replace(task, secrets=given) if given else task)

    def _with_rows(self, run: Run, task: Task) -> Task:
        """The task of a snapshot with what it is told of its source."""
        if task.node.kind != "snapshot":
            return task
        kind = task.node.settings["source"].get("kind", {})
        values: dict[str, Any] = {DECLARED: declared(run, task.node)}
        past = task.as_of < run.created
        if past or kind.get("watermark"):
            with self._store.read() as reader:
                if kind.get("watermark"):
                    values[KEPT] = read_before(reader, run, task.node.name)
                if taken := kept_as_of(reader, self._blobs, run, task.node):
                    return replace(task, values=values | {TAKEN: msgspec.to_builtins(taken)})
        if kind.get("type") == "predictions" and self._logged:
            source = msgspec.convert(task.node.settings["source"], Source)
            values[LOGGED] = self._logged(source, replace(run, as_of=task.as_of))
        return replace(task, values=values | ({PAST: True} if past else {}))

    def _end_unwanted(self, under_way: Iterable[Progress]) -> None:
        """End the tasks started here whose claim is gone: their run was cancelled, or others took it."""
        wanted = {step.id: step.token for progress in under_way for step in progress.running()}
        for step_run, token in self._held.items():
            if wanted.get(step_run) != token:
                self._executor.cancel(step_run)

    def _earlier(self, progress: Progress, reader: Reader) -> Progress | None:
        """The last run of the same pipeline that succeeded; looked up once for each run."""
        run = progress.run
        if run.id not in self._compared:
            self._compared[run.id] = previous(reader, run)
        return self._compared[run.id]


def _unchanged(tx: Transaction, progress: Progress) -> bool:
    """Whether the run and the steps that are about to change are still what they were.

    As many steps must be left as were: of two processes that each end one of the last two, the second
    has to see that no step is left.
    """
    run, steps = progress.changed_from()
    found = {step.id: step for step in tx.find(StepRun, id=tuple(step.id for step in steps))} if steps else {}
    return (
        all(found[step.id] == step for step in steps)
        and tx.count(StepRun, run=run.id, status=OPEN) == progress.left_before
        and bool(  # whatever changes a run changes these
            tx.count(Run, id=run.id, status=run.status, event=run.event)
        )
    )


def _applied(tx: Transaction, progress: Progress) -> bool:
    """Write a change, unless others have begun as many runs of the pipeline as may be under way."""
    if _still_admitted(tx, progress):
        _write(tx, progress)
        return True
    return False


def _still_admitted(tx: Transaction, progress: Progress) -> bool:
    """Whether a run that begins is still within the concurrency of its pipeline."""
    before, run = progress.changed_from()[0], progress.run
    if not run.graph.concurrency or (before.status, run.status) != ("queued", "running"):
        return True
    place = {"project": run.project, "environment": run.environment, "pipeline": run.pipeline}
    return tx.count(Run, **place, status="running") < run.graph.concurrency


def _in_flight(under_way: Iterable[Progress]) -> set[str]:
    return {key for progress in under_way for key in progress.keys_in_flight()}


def _host(owner: str) -> str:
    return owner.partition(":")[0]


def _write(tx: Transaction, progress: Progress) -> None:
    tx.put(*progress.changed_to())
    snapshots = (snapshot for snapshot in progress.snapshots if not tx.count(Snapshot, id=snapshot.id))
    if new := [*progress.added(), *progress.metrics, *snapshots]:
        tx.add(*new)
    tx.publish(*progress.events)
