"""The verbs of triggers: look, fire, and what a person may ask of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from penstock.builds.types import Release
from penstock.core.clock import Clock
from penstock.core.errors import Busy, InvalidPipeline, NotFound
from penstock.core.events import Event
from penstock.deployments.environments import Environments
from penstock.lineage.ports import Between, Blobs, Reader, Store, Transaction
from penstock.pipelines.graph import coerce
from penstock.pipelines.types import Graph
from penstock.revisions.config import budget
from penstock.runs.secrets import require_secrets
from penstock.runs.service import Runs
from penstock.runs.types import Run, Workspace
from penstock.triggers.actions import plan_actions
from penstock.triggers.decide import (
    UNASKED,
    Decision,
    Finding,
    Reason,
    arbitrate,
    hushed,
    same,
    together_evidence,
    together_why,
)
from penstock.triggers.history import History
from penstock.triggers.material import material
from penstock.triggers.ports import Arrivals
from penstock.triggers.types import Firing, Request, TriggerState
from penstock.triggers.watch import Lookout, Watch, conditions_of, refused

SERVING_FIRST = 100
"""The priority of runs in environments whose models answer predictions."""
STARTS = frozenset({"run", "sweep"})
"""What begins only where the pipeline can be run."""


class Triggers:
    """Turns events into work: one run at a time of each pipeline in an environment, and actions, for reasons
    on record.
    """

    def __init__(
        self,
        store: Store,
        blobs: Blobs,
        runs: Runs,
        clock: Clock,
        *,
        workspace_of: Callable[[Release, str], Workspace],
        arrivals: Arrivals,
        secrets: Callable[[str, str], Mapping[str, str]],
    ) -> None:
        """`workspace_of` gives the programs, code and data root of a release in an environment, and `secrets`
        what sources are reached with in an environment of a project.
        """
        self._store = store
        self._environments = Environments(blobs)
        self._runs = runs
        self._clock = clock
        self._workspace_of = workspace_of
        self._lookout = Lookout(arrivals, blobs, secrets)
        self._history = History()

    def tick(self, now: datetime) -> bool:
        """Look at every trigger once; each starts one run at most. True if anything changed.

        Raises Busy, once all were looked at, while the workspace of one that fires is made.
        """
        with self._store.read() as reader:
            watches = self._watches(reader)
        changed, waits = False, list[Busy]()
        for watch in watches:
            try:
                changed |= self._consider(watch, now)
            except Busy as error:
                waits.append(error)
        if waits:
            raise waits[0]
        return changed

    def request(  # noqa: PLR0917 the words of a request, in the order of a sentence
        self,
        project: str,
        environment: str,
        pipeline: str,
        params: Mapping[str, Any],
        actor: str,
        why: str = "",
        priority: int | None = None,
    ) -> Request:
        """Ask for a run; it starts with the next tick, or when the one under way has ended.

        Raises NotFound for a pipeline that is not deployed there and InvalidValue for parameters
        that it does not take; NotFound too for a secret that the environment lacks.
        """
        now = self._clock.now()
        with self._store.begin() as tx:
            watch = self._watch(tx, project, environment, pipeline)
            self._runs.check(watch.graph)
            coerce(watch.graph, watch.params | dict(params))
            require_secrets(tx, project, environment, watch.graph)
            number = tx.mint(Request)
            [event] = tx.publish(
                _event(
                    watch,
                    "trigger.requested",
                    now,
                    actor=actor,
                    evidence={"params": dict(params), "why": why},
                    cause=watch.held.deployment.event,
                )
            )
            request = Request(
                id=number,
                project=project,
                environment=environment,
                pipeline=pipeline,
                params=dict(params),
                actor=actor,
                why=why,
                time=now,
                priority=priority,
                event=event,
            )
            tx.add(request)
        return request

    def pause(self, project: str, environment: str, pipeline: str, actor: str) -> TriggerState:
        """Hold a trigger back until it is resumed; requests are still heard. Raises NotFound."""
        return self._set_paused(project, environment, pipeline, actor, paused=True)

    def resume(self, project: str, environment: str, pipeline: str, actor: str) -> TriggerState:
        """Let a trigger fire again; schedule slots that passed meanwhile are gone. Raises NotFound."""
        return self._set_paused(project, environment, pipeline, actor, paused=False)

    def explain(self, project: str, environment: str, pipeline: str) -> TriggerState:
        """Why a trigger fired or did not when it was last looked at. Raises NotFound."""
        with self._store.read() as reader:
            watch = self._watch(reader, project, environment, pipeline)
            return _state(reader, watch, self._clock.now())

    def _watches(self, reader: Reader) -> list[Watch]:
        return [
            Watch(held=held, graph=graph)
            for held in self._environments.held(reader)
            for graph in held.release.graphs
        ]

    def _watch(self, reader: Reader, project: str, environment: str, pipeline: str) -> Watch:
        held = self._environments.find(reader, project, environment)
        if held is None:
            raise NotFound(
                what=f"No release of {project} is in {environment}.",
                fix="penstock environments tells what each holds and what brings a release there.",
            )
        for graph in held.release.graphs:
            if graph.pipeline == pipeline:
                return Watch(held=held, graph=graph)
        raise NotFound(
            what=f"Release {held.release.number} in {environment} has no pipeline {pipeline!r}",
            expected="one of " + ", ".join(graph.pipeline for graph in held.release.graphs),
            found=pipeline,
        )

    def _consider(self, watch: Watch, now: datetime) -> bool:
        with self._store.read() as reader:
            state = _state(reader, watch, now)
            decision = self._decide(reader, watch, state, now)
        self._history.looked(watch.id)
        if decision.reasons:
            workspace = self._workspace_of(watch.held.release, watch.held.rule.name)
            return self._fire(watch, decision, workspace, now)
        if decision.explanation == state.explanation:
            return False
        with self._store.begin() as tx:
            latest = _state(tx, watch, now)
            _keep(tx, replace(latest, checked=now, explanation=decision.explanation))
            self._history.tell(tx, watch.id, decision.explanation, now)
        return True

    def _decide(self, reader: Reader, watch: Watch, state: TriggerState, now: datetime) -> Decision:
        findings = self._lookout.look(reader, watch, state, now)
        slots = tuple(finding.reason.slot for finding in findings if finding.reason)
        fired = reader.pick(Firing, ("slot",), slot=slots) if slots else []
        used = frozenset([*(slot for (slot,) in fired), *state.used.values()])
        starting = {each.reason.slot for each in findings if each.reason and STARTS & {*each.reason.then}}
        if (fresh := starting - used) and (refusal := self._refusal(reader, watch)):
            findings = tuple(
                refused(each, refusal) if each.reason and each.reason.slot in fresh else each
                for each in findings
            )
        active = reader.pick(Run, ("id",), **watch.where, status=("queued", "running"), limit=1)
        decision = arbitrate(
            findings,
            now=now,
            rested=state.rested,
            cooldown=watch.cooldown,
            active=active[0][0] if active else "",
            used=used,
            hushed=_hushed(reader, watch, findings, now),
        )
        if state.paused and not decision.reasons:
            decision = replace(decision, explanation=f"paused; {decision.explanation}")
        return decision

    def _refusal(self, reader: Reader, watch: Watch) -> str:
        try:
            self._runs.check(watch.graph)
            require_secrets(reader, watch.where["project"], watch.where["environment"], watch.graph)
        except (InvalidPipeline, NotFound) as error:
            return str(error)
        return ""

    def _fire(self, watch: Watch, decision: Decision, workspace: Workspace, now: datetime) -> bool:
        """Record the firing, its run and its actions, unless the world has changed since it was decided."""
        with self._store.begin() as tx:
            state = _state(tx, watch, now)
            held = self._environments.find(tx, watch.where["project"], watch.where["environment"])
            if held is None or held.deployment.id != watch.held.deployment.id:
                return True
            if self._decide(tx, watch, state, now) != decision:
                return True
            firing = self._record(tx, watch, decision.reasons, workspace, now)
            for reason in decision.reasons:
                if reason.request:
                    tx.put(replace(tx.get(Request, reason.request), firing=firing.id))
            used = {key: slot for reason in decision.reasons for key, slot in reason.slots.items()}
            self._history.tell(tx, watch.id, decision.explanation, now, firing=firing.id)
            _keep(
                tx,
                replace(
                    state,
                    checked=now,
                    fired=now,
                    explanation=decision.explanation,
                    used=_current(watch, state.used | used),
                    rested=state.rested | {same(decision.reasons[0].then): now},
                ),
            )
        return True

    def _record(
        self,
        tx: Transaction,
        watch: Watch,
        reasons: tuple[Reason, ...],
        workspace: Workspace,
        now: datetime,
    ) -> Firing:
        first, rows = reasons[0], material(tx, watch)
        why, told = together_why(reasons), together_evidence(reasons)
        if rows.why and "run" in first.then:
            why, told = f"{why}; {rows.why}", told | rows.evidence
        events = tuple(event for reason in reasons for event in reason.events)
        evidence = {"kind": first.kind, "why": why, **told}
        [event] = tx.publish(
            _event(watch, "trigger.fired", now, actor=first.actor, evidence=evidence, cause=events[0])
        )
        number = tx.mint(Firing)
        run = self._submit(tx, watch, reasons, workspace, graph=rows.graph, firing=number, cause=event)
        firing = Firing(
            id=number,
            slot=first.slot,
            **watch.where,
            kind=first.kind,
            time=now,
            why=why,
            evidence=told,
            events=events,
            run=run,
            event=event,
            then=first.then,
        )
        tx.add(firing)
        plan_actions(tx, watch, firing)
        return firing

    def _submit(
        self,
        tx: Transaction,
        watch: Watch,
        reasons: tuple[Reason, ...],
        workspace: Workspace,
        *,
        graph: Graph,
        firing: str,
        cause: int,
    ) -> str:
        """The number of the run that reasons lead to, empty where that is none."""
        first = reasons[0]
        if "run" not in first.then:
            return ""
        usual = SERVING_FIRST if watch.held.rule.serve else 0
        if watch.config and watch.config.priority is not None:
            usual = watch.config.priority
        return self._runs.submit(
            **watch.where,
            graph=graph,
            workspace=workspace,
            params=first.params,
            release=watch.held.release.id,
            firing=firing,
            actor=first.actor,
            priority=max((r.priority for r in reasons if r.priority is not None), default=usual),
            cause=cause,
            tx=tx,
        ).id

    def _set_paused(
        self, project: str, environment: str, pipeline: str, actor: str, *, paused: bool
    ) -> TriggerState:
        now = self._clock.now()
        with self._store.begin() as tx:
            watch = self._watch(tx, project, environment, pipeline)
            state = _state(tx, watch, now)
            if state.paused == paused:
                return state
            word = "paused" if paused else "resumed"
            tx.publish(
                _event(
                    watch, f"trigger.{word}", now, actor=actor, evidence={}, cause=watch.held.deployment.event
                )
            )
            changed = replace(
                state,
                paused=paused,
                since=state.since if paused else now,
                checked=now,
                explanation=f"{word} by {actor}",
            )
            _keep(tx, changed)
        return changed


def _state(reader: Reader, watch: Watch, now: datetime) -> TriggerState:
    """The stored state, or that of a trigger which was never looked at."""
    found = reader.find(TriggerState, id=watch.id)
    if found:
        return found[0]
    return TriggerState(
        id=watch.id,
        **watch.where,
        since=watch.held.deployment.deployed,
        checked=now,
        fired=None,
        paused=False,
        explanation="",
    )


def _keep(tx: Transaction, state: TriggerState) -> None:
    (tx.put if tx.find(TriggerState, id=state.id) else tx.add)(state)


def _hushed(reader: Reader, watch: Watch, findings: tuple[Finding, ...], now: datetime) -> dict[str, str]:
    """Why what reasons lead to is held back now, by what that is; only what is held back is there."""
    config = watch.config
    if config is None:
        return {}
    at_most = budget(config.at_most) if config.at_most else None
    fired: dict[str, list[datetime]] = {}
    if at_most:
        since = Between(now - at_most[1])
        for moment, kind, then in reader.pick(Firing, ("time", "kind", "then"), **watch.where, time=since):
            if kind in UNASKED:
                fired.setdefault(same(then), []).append(moment)
    leads = {same(finding.reason.then) for finding in findings if finding.reason}
    found = {to: hushed(now, quiet=config.quiet, at_most=at_most, fired=fired.get(to, ())) for to in leads}
    return {to: why for to, why in found.items() if why}


def _current(watch: Watch, used: dict[str, str]) -> dict[str, str]:
    """The slots of conditions that the trigger still has."""
    known = conditions_of(watch)
    return {key: slot for key, slot in used.items() if key in known}


def _event(
    watch: Watch, kind: str, now: datetime, *, actor: str, evidence: dict[str, Any], cause: int | None
) -> Event:
    return Event(
        kind=kind,
        subject=f"trigger:{watch.id}",
        time=now,
        actor=actor,
        project=watch.where["project"],
        evidence={"environment": watch.where["environment"], **evidence},
        cause=cause,
    )
