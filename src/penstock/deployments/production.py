"""Production tests: versions that ML experts try beside a champion, and what labels say of both."""

from __future__ import annotations

from datetime import datetime

import msgspec
import numpy as np
from msgspec.structs import replace

from penstock.checks.sequential import LOSSES, Difference, in_blocks, judged, losses_of
from penstock.core.errors import Conflict, InvalidValue, NotAllowed, NotFound
from penstock.core.events import Event
from penstock.deployments.awaiting import awaited
from penstock.deployments.champions import under_way
from penstock.deployments.environments import Environments
from penstock.deployments.plans import Plans
from penstock.deployments.ports import Labelled
from penstock.deployments.steps import Guard, Quality, guards_of
from penstock.deployments.truth import answered_numbers
from penstock.deployments.types import GateReport, ProductionTest
from penstock.deployments.verdicts import metric_for, over, rules_for, served_guard
from penstock.lineage.ports import Reader, Store, Transaction
from penstock.models.service import Models
from penstock.models.types import Placement
from penstock.serving.ports import PredictionService
from penstock.serving.types import Contest

GUARD = ("error_rate <= 0.05",)
"""What a test is held to where the model declares no rollout."""
REQUESTS = 100
MOST_SHARE = 50
OPEN = ("waiting", "running")


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody wants tried: a shadow, where `share` is 0, or an A/B test."""

    model: str
    number: int
    environment: str
    share: int = 0
    metric: str = ""
    until: datetime | None = None


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """A test with what is measured of it now."""

    test: ProductionTest
    difference: Difference | None
    guards: tuple[Guard, ...]
    contest: Contest | None


class ProductionTests:
    """Starts, watches and ends tests in production. They change no champion."""

    def __init__(
        self,
        store: Store,
        service: PredictionService,
        models: Models,
        plans: Plans,
        *,
        environments: Environments,
        labelled: Labelled,
    ) -> None:
        self._store = store
        self._service = service
        self._models = models
        self._plans = plans
        self._environments = environments
        self._labelled = labelled
        self._known: dict[str, tuple[tuple[int, datetime | None], Difference | None]] = {}

    def start(self, wish: Wish, actor: str) -> ProductionTest:
        """Have a version tried beside the champion, once it has passed the gate there.

        Raises NotFound, NotAllowed for a version that its gate rejected, InvalidValue, and Conflict while
        another test or a rollout goes on.
        """
        with self._store.begin() as tx:
            version = self._plans.version(tx, wish.model, wish.number)
            champion = self._champion(tx, wish)
            metric = metric_for(wish.metric, version)
            _require_room(tx, wish)
            reports = tx.find(GateReport, id=f"{wish.environment}:{version.id}")
            if reports and reports[0].outcome == "failed":
                raise NotAllowed(
                    what=f"{version.id} did not pass the gate of {wish.environment}",
                    fix=f"penstock models show {version.id} tells why.",
                )
            held = self._environments.find(tx, version.project, wish.environment)
            configured = held.config.models.get(wish.model) if held else None
            rollout = configured.rollout if configured else None
            test = ProductionTest(
                id=tx.mint(ProductionTest),
                project=version.project,
                environment=wish.environment,
                model=wish.model,
                number=wish.number,
                champion=champion.number,
                kind="ab" if wish.share else "shadow",
                share=wish.share,
                metric=metric,
                status="running" if reports else "waiting",
                verdict="",
                guard=tuple(filter(served_guard, rollout.guard)) if rollout else GUARD,
                requests=rollout.requests if rollout else REQUESTS,
                key=rollout.key if rollout else "",
                started=self._models.now(),
                until=wish.until,
                ended=None,
                actor=actor,
                why=f"started by {actor}" + ("" if reports else ", waits for its gate"),
                event=0,
            )
            return _told(tx, test, "started", self._models.now(), new=True)

    def stop(self, key: str, actor: str) -> ProductionTest:
        """End a test. Raises NotFound, or Conflict for one that has ended."""
        with self._store.begin() as tx:
            test = tx.get(ProductionTest, key)
            if test.ended:
                raise Conflict(what=f"Test {key} has ended", found=test.why)
            return self._end(tx, test, f"stopped by {actor}", actor=actor)

    def show(self, key: str) -> Standing:
        """A test and what is measured of it. Raises NotFound."""
        with self._store.read() as reader:
            test = reader.get(ProductionTest, key)
        contest = None
        if test.status == "running":
            contest = next((c for c in self._service.observed() if c.id == test.contest), None)
        guards = guards_of(rules_for(test), contest, Quality()) if contest else ()
        return Standing(test=test, difference=self._difference(test), guards=guards, contest=contest)

    def waiting(self, reader: Reader) -> list[ProductionTest]:
        """Tests whose version has not been judged where it is to be tried."""
        return reader.find(ProductionTest, status="waiting")

    def gate(self, tx: Transaction, key: str, report: GateReport) -> None:
        """The version of a waiting test was judged: the test begins, or is over."""
        test = tx.get(ProductionTest, key)
        if test.status != "waiting":
            return
        if report.outcome == "failed":
            why = "; ".join(f"{v.check}: {v.why}" for v in report.verdicts if not v.passed)
            self._end(tx, test, f"it did not pass its gate: {why}")
            return
        now = self._models.now()
        begun = replace(test, status="running", started=now, why=f"passed the gate of {test.environment}")
        _told(tx, begun, "running", now, actor="penstock", cause=report.event)

    def make_room(self, tx: Transaction, model: str, environment: str, why: str) -> None:
        """End A/B tests of a model in an environment: their share of the traffic is wanted."""
        for test in tx.find(ProductionTest, model=model, environment=environment, status=OPEN):
            if test.kind == "ab":
                self._end(tx, test, why)

    def tick(self, now: datetime) -> bool:
        """End every test that is to be ended, and say what others wait for online.

        Raises Unavailable when the service does not answer.
        """
        with self._store.read() as reader:
            tests = reader.find(ProductionTest, status=OPEN)
            if not tests:
                return False
            late = {test.id: self._late(reader, test) for test in tests if test.status == "waiting"}
            placed = {(p.model, p.environment): p.number for p in reader.find(Placement, role="champion")}
        contests = {contest.id: contest for contest in self._service.observed()}
        loaded = {(each.model, each.number): each for each in self._service.loaded()}
        ended = False
        for test in tests:
            difference = self._difference(test)
            why = over(
                test,
                placed.get((test.model, test.environment), 0),
                contests.get(test.contest),
                loaded.get((test.model, test.number)),
                difference,
                now,
            )
            if why:
                with self._store.begin() as tx:
                    if tx.get(ProductionTest, test.id) == test:
                        self._end(tx, test, why, difference=difference)
                ended = True
            elif (waits := late.get(test.id, "")) not in {"", test.why}:
                with self._store.begin() as tx:
                    if tx.get(ProductionTest, test.id) == test:
                        tx.put(replace(test, why=waits))
        return ended

    def _late(self, reader: Reader, test: ProductionTest) -> str:
        """What the version of a test waits for before its gate, in words."""
        return awaited(reader, self._plans.version(reader, test.model, test.number), test.environment)

    def _champion(self, reader: Reader, wish: Wish) -> Placement:
        found = reader.find(Placement, model=wish.model, environment=wish.environment, role="champion")
        if not found:
            raise NotFound(
                what=f"{wish.environment} has no champion of {wish.model} to test beside",
                fix="Name an environment where it serves.",
            )
        if found[0].number == wish.number:
            raise InvalidValue(expected="a version beside the champion", found=f"the champion {wish.number}")
        return found[0]

    def _end(
        self, tx: Transaction, test: ProductionTest, why: str, *, actor: str = "penstock",
        difference: Difference | None = None,
    ) -> ProductionTest:  # fmt: skip
        now = self._models.now()
        difference = difference or self._difference(test)
        ended = replace(
            test, status="ended", ended=now, why=why, verdict=difference.verdict if difference else ""
        )
        return _told(tx, ended, "ended", now, actor=actor, difference=difference)

    def _difference(self, test: ProductionTest) -> Difference | None:
        """What labels say by now, None without any. Measured anew when some came or changed."""
        if test.status == "waiting":
            return None
        labels = self._labelled.labels(test.model, test.environment, test.started)
        known = self._known.get(test.id)
        if known is None or known[0] != labels:
            known = self._known[test.id] = (labels, self._measure(test))
        return known[1]

    def _measure(self, test: ProductionTest) -> Difference | None:
        losses: dict[str, np.ndarray] = {}
        ids: dict[str, tuple[str, ...]] = {}
        rival = "shadow" if test.kind == "shadow" else "challenger"
        for number, variant in ((test.number, rival), (test.champion, "champion")):
            found = self._labelled.outcomes(test.model, test.environment, number, variant, test.started)
            with self._store.read() as reader:
                signature = self._plans.version(reader, test.model, number).signature
            truth, answered = answered_numbers(signature, found.truth, found.score, found.label)
            losses[variant], ids[variant] = losses_of(test.metric, truth, answered), found.ids
        if test.kind == "shadow":
            theirs = dict(zip(ids["champion"], losses["champion"], strict=True))
            pairs = zip(ids[rival], losses[rival], strict=True)
            differences = np.array([loss - theirs[name] for name, loss in pairs if name in theirs])
        else:
            differences = in_blocks(losses[rival], losses["champion"], test.share)
        return judged(differences, bounded=LOSSES[test.metric][1]) if len(differences) else None


def _require_room(reader: Reader, wish: Wish) -> None:
    if not 0 <= wish.share <= MOST_SHARE:
        raise InvalidValue(expected=f"a share from 1 to {MOST_SHARE} percent", found=str(wish.share))
    for other in reader.find(ProductionTest, model=wish.model, environment=wish.environment, status=OPEN):
        raise Conflict(
            what=f"Test {other.id} of {other.model}@{other.number} goes on in {other.environment}",
            fix=f"End it with: penstock tests stop {other.id}",
        )
    if wish.share and (rollout := under_way(reader, wish.model, wish.environment)):
        raise Conflict(
            what=f"Rollout {rollout.id} of {rollout.model}@{rollout.number} shares the traffic",
            fix="Start the test when it has ended, or as a shadow.",
        )


def _told(
    tx: Transaction, test: ProductionTest, kind: str, now: datetime, *, actor: str = "", cause: int = 0,
    difference: Difference | None = None, new: bool = False,
) -> ProductionTest:  # fmt: skip
    [event] = tx.publish(
        Event(
            kind=f"test.{kind}",
            subject=f"test:{test.id}",
            time=now,
            actor=actor or test.actor,
            project=test.project,
            evidence={
                "environment": test.environment,
                "version": f"{test.model}@{test.number}",
                "champion": test.champion,
                "kind": test.kind,
                "share": test.share,
                "why": test.why,
                "difference": msgspec.to_builtins(difference) if difference else {},
            },
            cause=cause or test.event or None,
        )
    )
    changed = replace(test, event=event)
    (tx.add if new else tx.put)(changed)
    return changed
