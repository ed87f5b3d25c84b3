"""Rollouts under way: begun, watched, stepped, paused, and taken back."""

from __future__ import annotations

from datetime import datetime

import msgspec

from penstock.checks.guard import SERVED, parse_guard
from penstock.core.errors import Conflict, NotFound
from penstock.core.events import Event
from penstock.deployments.champions import ACTIVE, Champions, told, under_way
from penstock.deployments.plans import Plans
from penstock.deployments.ports import Labelled
from penstock.deployments.steps import Guard, Move, Quality, guards_of, next_move, rules_of
from penstock.deployments.surely import surely
from penstock.deployments.truth import answered_numbers, metrics_of
from penstock.deployments.types import Rollout, Status
from penstock.lineage.ports import Reader, Store, Transaction
from penstock.models.service import Models
from penstock.models.types import Placement, Version
from penstock.revisions.config import RolloutConfig
from penstock.serving.ports import PredictionService
from penstock.serving.types import Contest


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A rollout with what is measured of it now, as far as the service tells, and all that happened to it."""

    rollout: Rollout
    share: int
    waits: str
    guards: tuple[Guard, ...]
    shares: tuple[dict[str, object], ...]
    history: tuple[dict[str, object], ...]


class Progress:
    """Leads rollouts on, by what the prediction service and the labels say of them."""

    def __init__(
        self,
        store: Store,
        service: PredictionService,
        models: Models,
        plans: Plans,
        labelled: Labelled,
    ) -> None:
        self._store = store
        self._service = service
        self._models = models
        self._plans = plans
        self._labelled = labelled
        self._champions = Champions(models, plans)
        self._quality: dict[str, tuple[tuple[int, datetime | None], Quality]] = {}

    def begin(
        self, tx: Transaction, version: Version, environment: str, champion: int, how: RolloutConfig, *,
        why: str, cause: int,
    ) -> Placement:  # fmt: skip
        """Let a version that passed its gate challenge the champion."""
        now = self._models.now()
        rollout = Rollout(
            id=tx.mint(Rollout),
            project=version.project,
            environment=environment,
            model=version.model,
            number=version.number,
            champion=champion,
            status="running",
            steps=how.steps,
            step=0,
            every=how.every,
            guard=how.guard,
            requests=how.requests,
            key=how.key,
            started=now,
            since=now,
            ended=None,
            actor="penstock",
            why=why,
            event=0,
        )
        rollout = told(tx, rollout, "running", why, "penstock", now, kind="started", cause=cause, new=True)
        return self._models.place(
            tx, version, environment, "challenger", actor="penstock", why=why, cause=rollout.event
        )

    def tick(self, now: datetime) -> bool:
        """Move every rollout that is to be moved. Raises Unavailable when the service does not answer."""
        with self._store.read() as reader:
            active = reader.find(Rollout, status=ACTIVE)
        if not active:
            return False
        contests = {contest.id: contest for contest in self._service.observed()}
        loaded = {(each.model, each.number): each for each in self._service.loaded()}
        moved = False
        for rollout in active:
            place = (rollout.model, rollout.number)
            contest = contests.get(rollout.contest)
            move = next_move(rollout, contest, loaded.get(place), self._measured(rollout), now)
            moved = (move.kind != "wait" and self._move(rollout, move, now)) or moved
        return moved

    def pause(self, model: str, environment: str, actor: str) -> Rollout:
        """Let a rollout stay where it is; it still goes back by itself. Raises NotFound or Conflict."""
        return self._set(model, environment, "running", "paused", actor)

    def resume(self, model: str, environment: str, actor: str) -> Rollout:
        """Let a paused rollout go on; its step begins anew. Raises NotFound or Conflict."""
        return self._set(model, environment, "paused", "resumed", actor)

    def abort(self, model: str, environment: str, actor: str) -> Rollout:
        """End a rollout: the champion answers everything again, at once. Raises NotFound."""
        with self._store.begin() as tx:
            rollout = _required(tx, model, environment)
            return self._champions.take_back(tx, rollout, "aborted", f"aborted by {actor}", actor)

    def show(self, key: str) -> Shown:
        """A rollout by its number. Raises NotFound."""
        with self._store.read() as reader:
            rollout = reader.get(Rollout, key)
            events = reader.events(subject=f"rollout:{key}")
        contest, waits = None, ""
        guards: tuple[Guard, ...] = ()
        if not rollout.ended:
            contest = next((each for each in self._service.observed() if each.id == rollout.contest), None)
            loaded = {(each.model, each.number): each for each in self._service.loaded()}
            quality = self._measured(rollout)
            place = (rollout.model, rollout.number)
            waits = next_move(rollout, contest, loaded.get(place), quality, self._models.now()).why
            guards = guards_of(rules_of(rollout), contest, quality) if contest else ()
        return Shown(
            rollout=rollout,
            share=rollout.share,
            waits=waits,
            guards=guards,
            shares=_shares(rollout, contest),
            history=tuple(_line(event) for event in events),
        )

    def _move(self, rollout: Rollout, move: Move, now: datetime) -> bool:
        """Do what was decided, unless somebody decided otherwise meanwhile."""
        guards = msgspec.to_builtins(move.guards)
        with self._store.begin() as tx:
            if tx.get(Rollout, rollout.id) != rollout:
                return True
            if move.kind == "revert":
                self._champions.take_back(tx, rollout, "reverted", move.why, "penstock", guards=guards)
                return True
            if move.kind == "promote":
                version = self._plans.version(tx, rollout.model, rollout.number)
                ended = told(tx, rollout, "promoted", move.why, "penstock", now, guards=guards)
                why = f"rollout {rollout.id} was held by every guard"
                self._champions.crown(
                    tx, version, rollout.environment, actor="penstock", why=why, cause=ended.event
                )
                return True
            step = rollout.step + 1
            told(tx, rollout, "running", move.why, "penstock", now, kind="stepped", step=step, guards=guards)
        return True

    def _set(self, model: str, environment: str, before: str, verb: str, actor: str) -> Rollout:
        with self._store.begin() as tx:
            rollout = _required(tx, model, environment)
            if rollout.status != before:
                raise Conflict(what=f"Rollout {rollout.id} of {model} is {rollout.status} already")
            now = self._models.now()
            step = rollout.step if verb == "resumed" else None
            status: Status = "paused" if verb == "paused" else "running"
            return told(tx, rollout, status, f"{verb} by {actor}", actor, now, kind=verb, step=step)

    def _measured(self, rollout: Rollout) -> Quality:
        """What labels say of a rollout; measured again when more have come, or others."""
        if all(parse_guard(text).left in SERVED for text in rollout.guard):
            return Quality()
        where = (rollout.model, rollout.environment)
        labels = self._labelled.labels(*where, rollout.started)
        known = self._quality.get(rollout.id)
        if known is None or known[0] != labels:
            known = self._quality[rollout.id] = (labels, self._measure(rollout))
        return known[1]

    def _measure(self, rollout: Rollout) -> Quality:
        metrics, answers = [], []
        for number, variant in ((rollout.number, "challenger"), (rollout.champion, "champion")):
            found = self._labelled.outcomes(
                rollout.model, rollout.environment, number, variant, rollout.started
            )
            with self._store.read() as reader:
                signature = self._plans.version(reader, rollout.model, number).signature
            enough = len(found.truth) >= rollout.requests
            metrics.append(metrics_of(signature, found.truth, found.score, found.label) if enough else {})
            answers.append(answered_numbers(signature, found.truth, found.score, found.label))
        ours, theirs = answers
        checks = {text: parse_guard(text) for text in rollout.guard}
        asked = {text: check for text, check in checks.items() if check.left in metrics[0]}
        sure = {text: surely(check, ours, theirs) for text, check in asked.items()}
        return Quality(
            challenger=metrics[0],
            champion=metrics[1],
            labels=(len(ours[0]), len(theirs[0])),
            sure={text: difference for text, difference in sure.items() if difference},
        )


def _required(reader: Reader, model: str, environment: str) -> Rollout:
    rollout = under_way(reader, model, environment)
    if rollout is None:
        raise NotFound(
            what=f"There is no rollout of {model} under way in {environment}",
            fix="penstock rollouts lists those that there were.",
        )
    return rollout


def _shares(rollout: Rollout, contest: Contest | None) -> tuple[dict[str, object], ...]:
    """Who answers how much of the traffic, with what was measured of each."""
    rows = []
    for variant, number, share in (
        ("champion", rollout.champion, 100 - rollout.share),
        ("challenger", rollout.number, rollout.share),
    ):
        tally = getattr(contest, variant) if contest else None
        measured = msgspec.structs.asdict(tally) if tally else {}
        kept = ("requests", "errors", "p50", "p95", "p99", "max")
        rows.append(
            {"variant": variant, "version": number, "share": share}
            | {name: measured.get(name) for name in kept}
        )
    return tuple(rows)


def _line(event: Event) -> dict[str, object]:
    told_of = event.evidence
    return {
        "time": event.time,
        "event": event.id,
        "what": event.kind.removeprefix("rollout."),
        "share": told_of["share"],
        "by": event.actor,
        "why": told_of["why"],
        "guards": "; ".join(f"{g['state']}: {g['why']}" for g in told_of["guards"]),
    }
