"""Pure: what becomes of a run, given what it is and what was learned."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import chain
from typing import Any

import msgspec
from msgspec.structs import replace

from penstock.core.events import Event
from penstock.datasets.types import Snapshot
from penstock.lineage.types import Lease
from penstock.pipelines.features import AS_OF
from penstock.pipelines.graph import needed, spread
from penstock.pipelines.types import Node, Options, Output, Param
from penstock.runs.agenda import Agenda
from penstock.runs.choices import needed_by_choice, untaken
from penstock.runs.instances import (
    awaited_lists,
    instances_of,
    is_instance,
    make_instances,
    node_of,
    of_element,
)
from penstock.runs.keys import Ingredients, ingredients
from penstock.runs.types import Artifact, Metric, Outcome, Run, StepRun, Task

MAX_LOSSES = 3
"""A step whose worker died this often is not tried again: it is probably what kills it."""

MAX_REST = timedelta(minutes=10)
"""The longest that a step rests before it is tried again."""

_BARREN = ("failed", "skipped", "cancelled")


class Progress:
    """A run being carried forward: what it was, what it becomes, and what is to be told of it.

    Each method takes one fact into account. Nothing is stored and nothing is started here. Once the changes
    are stored it goes on with `resume`, and each tick costs what has happened, not what there is.
    """

    def __init__(self, run: Run, steps: Iterable[StepRun], now: datetime) -> None:
        self.now = max(now, run.created)  # the moment of a pass may be before what was asked for during it
        self.run = run
        self.steps = {step.name: step for step in steps}
        self.nodes = {node.name: node for node in run.graph.nodes}
        self.instances = instances_of(self.steps.values())
        self._agenda = Agenda(run.graph, self.steps.values())
        self._forget_changes()

    def resume(self, now: datetime) -> None:
        """Go on at a later moment, when all that was changed has been stored."""
        self.now = max(now, self.run.created)
        if self._before:
            self._forget_changes()

    def _forget_changes(self) -> None:
        self.left_before = self._agenda.left()
        self._added: dict[str, None] = {}
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

    def added(self) -> list[StepRun]:
        """The steps that are new: the instances of nodes that turned out to go over a list."""
        return [self.steps[name] for name in self._added]

    def node(self, step: str) -> Node:
        """The node that a step does, as it does it for its own element if it is one of several."""
        if not is_instance(step):
            return self.nodes[step]
        return of_element(self.nodes[node_of(step)], step, self.instances)

    def options(self, step: str) -> Options:
        """How a step wants to be run."""
        return self.nodes[node_of(step)].options

    def succeeded(self, name: str) -> bool:
        """Whether a step has its outputs."""
        return self.steps[name].status == "succeeded"

    def ingredients_of(self, name: str) -> Ingredients:
        """What the result of a step depends on."""
        return ingredients(self.run, self.node(name), self.steps, self.steps[name].items)

    def past(self, node: Node) -> str:
        """The time that a source is asked as of, where that is before the run; empty for the present."""
        moment = as_of(self.run, node)
        return moment.isoformat() if moment < self.run.created else ""

    def settle(self, outcome: Outcome, machine_now: datetime) -> None:
        """Take in what became of a task; refused unless it holds the step's present claim."""
        step = self.steps.get(outcome.step_run.partition("/")[2])
        if step is None or step.status != "running" or step.token != outcome.token:
            return
        spent = replace(
            step,
            lease=None,
            seconds=outcome.seconds,
            cpu=outcome.cpu,
            memory=outcome.memory,
            figures=outcome.figures,
            files=outcome.files,
        )
        if outcome.error or outcome.lost:
            self._settle_error(spent, outcome, machine_now)
        else:
            self._succeed(replace(spent, outputs=outcome.outputs))
            self._measure(step.name, outcome.metrics)
            self._remember_snapshots(outcome.outputs.values())

    def put_back(self, step: StepRun, why: str) -> None:
        """Queue a step again whose worker's process is gone through no fault of the step."""
        self._change(replace(step, status="queued", lease=None))
        self._tell("step.requeued", {"step": step.name, "why": why})

    def skip_hopeless(self) -> None:
        """Skip every step that waits for something that will never be, or whose branch is not taken."""
        names = self._agenda.news()
        while names:
            skipped = [name for name in names if self.skip_if_hopeless(name)]
            names = [follower for name in skipped for follower in self._agenda.followers(name)]

    def ready(self) -> list[StepRun]:
        """The steps that wait and have all that they wait for, once the hopeless ones are skipped."""
        found = [step for step in (self.steps[name] for name in self._agenda.news()) if self.is_ready(step)]
        self._agenda.keep(step.name for step in found)
        return found

    def is_ready(self, step: StepRun) -> bool:
        """Whether a step waits and has all that it waits for."""
        return step.status == "waiting" and all(self._over(source) for source in self._sources(step))

    def expand(self, step: StepRun, items: Sequence[dict[str, Artifact]]) -> None:
        """Give a ready node that goes over lists a step for each of their elements."""
        self._begin()
        self._change(replace(step, started=self.now, why=self.went_over(step.name, len(items))))
        made = {each.name: each for each in make_instances(step, items)}
        self.instances[step.name] = list(made)
        self.steps |= made
        self._added |= dict.fromkeys(made)
        for each in made.values():
            self._agenda.note(each)
        self._agenda.divide(step.name)

    def went_over(self, name: str, count: int) -> str:
        """That a node went over a list of so many elements."""
        return f"went over the {count} elements of {' and '.join(self.nodes[name].over) or 'its condition'}"

    def finish(self, step: StepRun, outputs: dict[str, Artifact], why: str = "") -> None:
        """End a ready step that needs no worker with what it gives."""
        self._begin()
        self._succeed(replace(step, outputs=outputs, started=step.started or self.now, why=why or step.why))

    def fail(self, step: StepRun, error: str) -> None:
        """End a ready step that needs no worker with an error."""
        self._begin()
        self._fail(replace(step, error=error))

    def queue(self, step: StepRun, key: str, why: str) -> None:
        """Let a ready step be claimed."""
        self._change(replace(step, status="queued", key=key, why=why))

    def take(self, step: StepRun, key: str, found: StepRun, metrics: Sequence[Metric]) -> None:
        """Take the result of an earlier step run with the same key in place of running a ready step."""
        origin = found.cached_from or found.id
        self._begin()
        self._succeed(
            replace(
                step,
                key=key,
                outputs=found.outputs,
                figures=found.figures,
                files=found.files,
                cached_from=origin,
                started=self.now,
                why=f"cached from run {origin.partition('/')[0]} because nothing it depends on changed",
            )
        )
        self._measure(step.name, [(m.name, m.value, m.index) for m in metrics])

    def queued(self, machine_now: datetime) -> list[StepRun]:
        """The steps that can be claimed: those that do not rest."""
        steps = (self.steps[name] for name in self._agenda.those("queued"))
        return [step for step in steps if not resting(step, machine_now)]

    def keys_in_flight(self) -> set[str]:
        """The keys of the steps that are being done or are going to be."""
        names = chain(self._agenda.of("queued"), self._agenda.of("running"))
        return {self.steps[name].key for name in names} - {""}

    def running(self) -> list[StepRun]:
        """The steps that are claimed."""
        return [self.steps[name] for name in self._agenda.those("running")]

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
                not_before=None,
            )
        )
        self.tasks.append(self._task(self.steps[step.name]))

    def renew(self, step: StepRun, until: datetime) -> None:
        """Hold a running step for longer."""
        if step.lease:
            self._change(replace(step, lease=replace(step.lease, until=until)))

    def conclude(self) -> None:
        """End the run if every step has ended."""
        if self._agenda.left():
            return
        failed = next((step for step in self.steps.values() if step.status == "failed"), None)
        error = f"{failed.name} failed: {failed.error}" if failed else ""
        status = "failed" if failed else "succeeded"
        self._begin()
        self._change(replace(self.run, status=status, finished=self.now, error=error))
        self._tell(f"run.{status}", {"error": error} if error else {})

    def skip_if_hopeless(self, name: str) -> bool:
        """Skip a step if it waits and is hopeless; whether it was."""
        step = self.steps[name]
        reason = self._hopeless(step) if step.status == "waiting" else ""
        if reason:
            self._change(replace(step, status="skipped", finished=self.now, why=f"skipped because {reason}"))
        return bool(reason)

    def _settle_error(self, step: StepRun, outcome: Outcome, machine_now: datetime) -> None:
        errors, losses = step.errors + (not outcome.lost), step.losses + outcome.lost
        gone = replace(step, errors=errors, losses=losses, error=outcome.error)
        options = self.options(step.name)
        hopeless = not outcome.lost and not worth_retrying(options, outcome)
        if hopeless or errors > options.retries or losses >= MAX_LOSSES:
            self._fail(gone)
        else:
            rest = timedelta(0) if outcome.lost else rest_after(options, errors)
            self._change(replace(gone, status="queued", not_before=machine_now + rest if rest else None))
            self._tell("step.requeued", {"step": step.name, "why": outcome.error})

    def _fail(self, step: StepRun) -> None:
        self._change(replace(step, status="failed", finished=self.now))
        self._tell("step.failed", {"step": step.name, "error": step.error, "attempt": step.attempt})

    def _succeed(self, step: StepRun) -> None:
        self._change(replace(step, status="succeeded", finished=self.now, error=""))
        outputs = {name: artifact.digest for name, artifact in step.outputs.items()}
        self._tell("step.finished", {"step": step.name, "why": step.why, "outputs": outputs})

    def _measure(self, name: str, metrics: Iterable[tuple[str, float, int]]) -> None:
        """Keep what was measured: the last value of each place; what is not a number stays in the log."""
        values = {(metric, index): value for metric, value, index in metrics if math.isfinite(value)}
        last: dict[str, int] = {}
        for metric, index in values:
            last[metric] = max(index, last.get(metric, index))
        self.metrics += [
            Metric(
                id=f"{self.run.id}/{name}/{metric}/{index}",
                run=self.run.id,
                step=name,
                name=metric,
                value=value,
                index=index,
                time=self.now,
                final=index == last[metric],
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

    def _sources(self, step: StepRun) -> list[StepRun]:
        """The steps that must be over before this one is done, or divided into those of its elements."""
        if step.name in self.instances:
            return [self.steps[name] for name in self.instances[step.name]]
        return [self.steps[name] for name in self._awaited(step.name)]

    def _awaited(self, name: str) -> list[str]:
        node = self.node(name)
        if spread(node):
            return awaited_lists(node, self.instances)
        if node.kind == "choose":
            return needed_by_choice(self.run, node, self.steps)
        return needed(node) if is_instance(name) else self._agenda.needed[name]

    def _over(self, source: StepRun) -> bool:
        """Whether what waits for a step can go on: it succeeded, or its element goes another way."""
        if source.status == "skipped" and is_instance(source.name):
            return bool(untaken(self.run, self.node(source.name), self.steps))
        return source.status == "succeeded"

    def _hopeless(self, step: StepRun) -> str:
        """Why a waiting step will never run, empty as long as it may."""
        ended = (source for source in self._sources(step) if source.status in _BARREN)
        barren = next((f"{s.name} {s.status}" for s in ended if not self._over(s)), "")
        return untaken(self.run, self.node(step.name), self.steps) or barren

    def _task(self, step: StepRun) -> Task:
        node = self.node(step.name)
        inputs: dict[str, Artifact] = {}
        values: dict[str, Any] = {}
        for name, source in node.inputs.items():
            if name in step.items:
                inputs[name] = step.items[name]
            elif isinstance(source, Output):
                inputs[name] = self.steps[source.node].outputs[source.name]
            else:
                values[name] = self.run.params[source.name] if isinstance(source, Param) else source.value
        return Task(
            step_run=step.id,
            token=step.token,
            node=node,
            workspace=self.run.workspace,
            as_of=as_of(self.run, node),
            inputs=inputs,
            values=values,
        )

    def _change(self, noun: Run | StepRun) -> None:
        if isinstance(noun, Run):
            self._before.setdefault("", self.run)
            self.run = noun
        else:
            if noun.name not in self._added:
                self._before.setdefault(noun.name, self.steps[noun.name])
            self.steps[noun.name] = noun
            self._agenda.note(noun)

    def _tell(self, kind: str, evidence: dict[str, Any]) -> None:
        self.events.append(
            Event(
                kind=kind,
                subject=f"run:{self.run.id}",
                time=self.now,
                project=self.run.project,
                evidence={"environment": self.run.environment, **evidence},
                cause=self.run.event or None,
            )
        )


def as_of(run: Run, node: Node) -> datetime:
    """As of when a node reads: the time of its run, or an earlier one that the pipeline names for it."""
    named = node.settings.get(AS_OF) if node.kind == "snapshot" else None
    return min(run.as_of, datetime.fromisoformat(named)) if named else run.as_of


def worth_retrying(options: Options, outcome: Outcome) -> bool:
    """Whether an error is one of those that the step is tried again after."""
    return not options.retry_on or not set(options.retry_on).isdisjoint(outcome.raised)


def rest_after(options: Options, errors: int) -> timedelta:
    """How long a step rests after so many errors: twice as long each time, up to a limit."""
    doublings = min(errors - 1, 32)
    return timedelta(seconds=min(options.backoff * 2**doublings, MAX_REST.total_seconds()))


def resting(step: StepRun, machine_now: datetime) -> bool:
    """Whether a step waits after an error; a machine whose clock was set back does not wait the longer."""
    return step.not_before is not None and machine_now < step.not_before <= machine_now + MAX_REST


def expired(step: StepRun, machine_now: datetime) -> bool:
    """Whether whoever holds a running step has not been heard of in time."""
    return step.lease is None or step.lease.until <= machine_now


def due_for_renewal(step: StepRun, machine_now: datetime, lease: timedelta) -> bool:
    """Whether more than half of the lease has passed, or the machine's clock was set back since."""
    return step.lease is not None and (
        step.lease.until - machine_now < lease / 2 or too_long(step, machine_now, lease)
    )


def too_long(step: StepRun, machine_now: datetime, lease: timedelta) -> bool:
    """Whether a claim would end later than one made now: the machine's clock was set back.

    Whoever sees it shortens the claim, without which a dead holder's would last as much longer.
    """
    return step.lease is not None and step.lease.until > machine_now + lease
