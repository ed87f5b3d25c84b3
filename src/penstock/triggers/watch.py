"""What a trigger sees when it looks: its conditions, held against the store."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from penstock.core.durations import duration
from penstock.core.errors import InvalidValue, NotFound, Unavailable
from penstock.datasets.places import addressed, secrets_of
from penstock.datasets.types import Arrived, Predictions, Source
from penstock.deployments.environments import Held
from penstock.lineage.ports import Between, Blobs, Reader
from penstock.models.types import Placement
from penstock.monitoring.types import Alarm
from penstock.pipelines.graph import coerce
from penstock.pipelines.types import Graph
from penstock.revisions.config import (
    ArrivalCondition,
    Condition,
    DriftCondition,
    ScheduleCondition,
    SignalCondition,
    SkewCondition,
    Then,
    TriggerConfig,
    WorseCondition,
)
from penstock.revisions.config.conditions import RUN
from penstock.revisions.types import Project
from penstock.runs.earlier import VERSION
from penstock.runs.types import Run, StepRun
from penstock.triggers.champions import Champions
from penstock.triggers.decide import (
    Finding,
    LastRead,
    Reason,
    arrived,
    both,
    drifted,
    scheduled,
    signalled,
    worsened,
)
from penstock.triggers.ports import Arrivals
from penstock.triggers.served import Told, newest_skews, skewed
from penstock.triggers.types import Request, Signal, TriggerState


class Watch(msgspec.Struct, frozen=True, kw_only=True):
    """A pipeline in an environment, with what the release there says about starting it."""

    held: Held
    graph: Graph

    @property
    def id(self) -> str:
        """The id of its TriggerState: `project:environment:pipeline`."""
        return f"{self.held.release.project}:{self.held.rule.name}:{self.graph.pipeline}"

    @property
    def config(self) -> TriggerConfig | None:
        """The declared trigger, if there is one: a configuration holds at most one of each."""
        declared = self.held.config.declared(self.held.rule.name)
        for trigger in self.held.config.triggers:
            if trigger.pipeline == self.graph.pipeline and declared in trigger.environments:
                return trigger
        return None

    @property
    def params(self) -> dict[str, Any]:
        """The parameters that the environment gives in place of the pipeline's defaults."""
        return self.held.rule.params.get(self.graph.pipeline, {})

    @property
    def runs(self) -> Graph:
        """The graph as it is run here: where runs prove a release, every step does its work itself."""
        if not self.held.config.proves(self.held.rule.name):
            return self.graph
        replace = msgspec.structs.replace
        nodes = (replace(node, options=replace(node.options, cache=False)) for node in self.graph.nodes)
        return replace(self.graph, nodes=tuple(nodes))

    @property
    def cooldown(self) -> timedelta:
        """The declared cooldown."""
        return duration(self.config.cooldown) if self.config else timedelta(0)

    @property
    def where(self) -> dict[str, Any]:
        """The fields by which runs, firings and requests of this watch are found."""
        return {
            "project": self.held.release.project,
            "environment": self.held.rule.name,
            "pipeline": self.graph.pipeline,
        }


_ISO = len("2013-03-01T12:00:00+00:00")
LOOK = timedelta(seconds=5)
"""How long files of a source are not looked at again."""
RUNS_BACK = 20
"""Runs that are looked through for the last that read a source: failed ones may not have come to it."""


class Lookout:
    """Looks at conditions."""

    def __init__(
        self, arrivals: Arrivals, blobs: Blobs, secrets: Callable[[str, str], Mapping[str, str]]
    ) -> None:
        self._arrivals = arrivals
        self._champions = Champions(blobs)
        self._secrets = secrets
        self._told = Told()
        self._seen: dict[tuple[str, str], tuple[datetime | None, datetime, Arrived]] = {}

    def look(self, reader: Reader, watch: Watch, state: TriggerState, now: datetime) -> tuple[Finding, ...]:
        """Everything that speaks for starting the pipeline, in order of precedence.

        A paused trigger hears requests only.
        """
        findings = [] if state.paused else _deployed(watch)
        findings += _requested(reader, watch)
        if watch.config and not state.paused:
            for condition in watch.config.conditions:
                findings += self._found(reader, watch, condition, state, now)
            together = [
                _any(self._found(reader, watch, condition, state, now)) for condition in watch.config.together
            ]
            findings += [leading(both(together), watch.config.then)] if together else []
        return tuple(_startable(watch, finding) for finding in findings)

    def _found(
        self, reader: Reader, watch: Watch, condition: Condition, state: TriggerState, now: datetime
    ) -> list[Finding]:
        """What there is of a condition: one finding, or one for each model that the pipeline publishes."""
        key = _key(condition)
        if isinstance(condition, ScheduleCondition):
            deployment = watch.held.deployment
            last = _last_slot(state.used.get(key, "")) or state.since
            since = max(last, state.since, deployment.deployed)
            finding, _ = scheduled(condition, watch.id, since, now)
            found = [_caused(finding, deployment.event)]
        elif isinstance(condition, ArrivalCondition):
            found = [_caused(self._rows(reader, watch, condition, now), watch.held.deployment.event)]
        elif isinstance(condition, SignalCondition):
            found = [_signalled(reader, watch, condition, state)]
        elif isinstance(condition, DriftCondition):
            found = _drifted(reader, watch, condition)
        elif isinstance(condition, SkewCondition):
            found = _skewed(reader, watch, condition)
        else:
            found = self._worse(reader, watch, condition, now)
        then = watch.config.leads_to(condition) if watch.config else RUN
        return [leading(_keyed(finding, key), then) for finding in found]

    def _rows(self, reader: Reader, watch: Watch, condition: ArrivalCondition, now: datetime) -> Finding:
        node = next(
            (
                node
                for node in watch.graph.nodes
                if node.kind == "snapshot" and node.settings["source"]["name"] == condition.source
            ),
            None,
        )
        if node is None:
            return Finding(why_not=f"{watch.graph.pipeline} does not read {condition.source}")
        source = msgspec.convert(node.settings["source"], Source)
        read = _last_read(reader, watch, node.name)
        try:
            found = self._arrived(reader, watch, source, read.as_of, now)
        except (InvalidValue, NotFound, Unavailable) as error:
            return Finding(why_not=f"new {condition.what} of {condition.source} cannot be counted: {error}")
        return arrived(condition, watch.id, read, found, now)

    def _arrived(
        self, reader: Reader, watch: Watch, source: Source, since: datetime | None, now: datetime
    ) -> Arrived:
        """What has arrived; files are not looked at again for LOOK, in which many ticks may pass."""
        root = str(Path(reader.get(Project, watch.held.release.project).data_root, watch.held.rule.data))
        key = (root, source.name)
        seen = self._seen.get(key)
        if seen is None or seen[0] != since or not seen[1] <= now < seen[1] + LOOK:
            seen = self._seen[key] = (since, now, self._count(reader, watch, source, root, since, now))
        return seen[2]

    def _count(  # noqa: PLR0917 which rows, and of when
        self, reader: Reader, watch: Watch, source: Source, root: str, since: datetime | None, now: datetime
    ) -> Arrived:
        where = (watch.held.release.project, watch.held.rule.name)
        if isinstance(source.kind, Predictions):
            place = source.kind.environment or watch.held.rule.name
            return self._told.since(reader, source.kind.model, place, since, now)
        if secrets_of(source):
            source = addressed(source, self._secrets(*where))
        return self._arrivals.since(source, root, since, now)

    def _worse(self, reader: Reader, watch: Watch, condition: WorseCondition, now: datetime) -> list[Finding]:
        findings = []
        for node in watch.graph.nodes:
            if node.kind == "publish":
                model, environment = node.settings["model"], watch.held.rule.name
                placed = reader.find(Placement, model=model, environment=environment, role="champion")
                standing = self._champions.standing(reader, placed[0], condition, now) if placed else None
                finding = worsened(condition, watch.id, standing, now)
                findings.append(_caused(finding, placed[0].event) if placed else finding)
        return findings


def _signalled(reader: Reader, watch: Watch, condition: SignalCondition, state: TriggerState) -> Finding:
    """What came since the trigger is watched and that it has not used; a pause forgets what came before."""
    used = state.used.get(_key(condition), "").rpartition(":")[2]
    found = reader.pick(
        Signal,
        ("event",),
        project=watch.where["project"],
        name=condition.name,
        event=Between(int(used) + 1 if used else 0),
        time=Between(state.since),
    )
    events = [event for (event,) in found]
    last = reader.events(after=events[-1] - 1, limit=1)[0] if events else None
    return signalled(condition, watch.id, events, last)


def _drifted(reader: Reader, watch: Watch, condition: DriftCondition) -> list[Finding]:
    findings = []
    for model, environment, number in _champions(reader, watch):
        alarms = reader.find(
            Alarm,
            model=model,
            environment=environment,
            version=number or 0,
            what=condition.what,
            ended=None,
        )
        findings.append(drifted(condition, watch.id, number, alarms))
    return findings


def _skewed(reader: Reader, watch: Watch, condition: SkewCondition) -> list[Finding]:
    findings = []
    for model, environment, number in _champions(reader, watch):
        days = newest_skews(reader, model, environment, number, condition.view) if number else []
        findings.append(skewed(condition, watch.id, number, days))
    return findings


def _champions(reader: Reader, watch: Watch) -> Iterator[tuple[str, str, int | None]]:
    """The models that the pipeline publishes, the trigger's environment, and the number of the champion."""
    environment = watch.held.rule.name
    for node in watch.graph.nodes:
        if node.kind == "publish":
            model = node.settings["model"]
            placed = reader.find(Placement, model=model, environment=environment, role="champion")
            yield model, environment, placed[0].number if placed else None


def _last_read(reader: Reader, watch: Watch, node: str) -> LastRead:
    """When the pipeline last read a source there, if it did."""
    newest = reader.pick(Run, ("id", "as_of", "created"), **watch.where, order="-created", limit=RUNS_BACK)
    for run, as_of, created in newest:
        if as_of < created:  # it read what was known in the past
            continue
        for (outputs,) in reader.pick(StepRun, ("outputs",), id=f"{run}/{node}", status="succeeded"):
            told = [artifact.meta.get(VERSION) for artifact in outputs.values()]
            return LastRead(as_of, next(iter(told), None))
    return LastRead()


def conditions_of(watch: Watch) -> frozenset[str]:
    """What the conditions of a trigger are known by."""
    return frozenset(_key(condition) for condition in watch.config.every) if watch.config else frozenset()


def _key(condition: Condition) -> str:
    """What a condition is known by, for as long as it says the same.

    What it leads to is no part of that, nor is the key of a signal: another key makes nothing happen again.
    """
    aside: dict[str, Any] = {"then": ()} | ({"secret": ""} if isinstance(condition, SignalCondition) else {})
    return msgspec.json.encode(msgspec.structs.replace(condition, **aside)).decode()


def leading(finding: Finding, then: tuple[Then, ...]) -> Finding:
    """A finding whose reason leads to this."""
    if finding.reason is None:
        return finding
    return Finding(reason=msgspec.structs.replace(finding.reason, then=then))


def _keyed(finding: Finding, key: str) -> Finding:
    if finding.reason is None:
        return finding
    return Finding(reason=msgspec.structs.replace(finding.reason, slots={key: finding.reason.slot}))


def _any(findings: list[Finding]) -> Finding:
    """The first reason, or all that is missing for one."""
    held = next((finding for finding in findings if finding.reason), None)
    return held or Finding(why_not="; ".join(finding.why_not for finding in findings))


def _last_slot(slot: str) -> datetime | None:
    """The time with which the name of a schedule's slot ends."""
    return datetime.fromisoformat(slot[-_ISO:]) if slot else None


def _deployed(watch: Watch) -> list[Finding]:
    if not watch.held.rule.run:
        return []
    deployment = watch.held.deployment
    reason = Reason(
        kind="deployed",
        slot=f"deployed:{deployment.id}:{watch.graph.pipeline}",
        why=f"release {watch.held.release.number} arrived in {deployment.environment}: {deployment.why}",
        evidence={"deployment": deployment.id, "release": deployment.release},
        events=(deployment.event,),
    )
    return [Finding(reason=reason)]


def _requested(reader: Reader, watch: Watch) -> list[Finding]:
    return [
        Finding(
            reason=Reason(
                kind="on_demand",
                slot=f"request:{request.id}",
                why=request.why or f"asked by {request.actor}",
                evidence={"request": request.id, "actor": request.actor},
                params=request.params,
                actor=request.actor,
                events=(request.event,),
                request=request.id,
                priority=request.priority,
            )
        )
        for request in reader.find(Request, **watch.where, firing="")
    ]


def _caused(finding: Finding, event: int) -> Finding:
    if finding.reason is None:
        return finding
    return Finding(reason=msgspec.structs.replace(finding.reason, events=(event,)))


def refused(finding: Finding, why: str) -> Finding:
    """What spoke for starting a pipeline that cannot start, as no reason."""
    return Finding(why_not=f"{finding.reason.why}, but it cannot start: {why}") if finding.reason else finding


def _startable(watch: Watch, finding: Finding) -> Finding:
    """The reason with every parameter of the pipeline filled in; one that cannot be is no reason."""
    if finding.reason is None:
        return finding
    try:
        params = coerce(watch.graph, watch.params | finding.reason.params)
    except InvalidValue as error:
        return refused(finding, str(error))
    return Finding(reason=msgspec.structs.replace(finding.reason, params=params))
