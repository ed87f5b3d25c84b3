"""Model versions on their way to traffic: gate, hot swap, and back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from threading import RLock

import msgspec

from penstock.core.clock import Clock
from penstock.core.errors import Conflict, NotAllowed, NotFound, Unavailable
from penstock.core.events import Event
from penstock.deployments.decide import demotions, judge, live
from penstock.deployments.environments import Environments, Held
from penstock.deployments.gather import gather
from penstock.deployments.plans import Plans
from penstock.deployments.types import GateReport, Swap, Verdict
from penstock.lineage.ports import Blobs, Reader, Store, Transaction
from penstock.models.service import Models
from penstock.models.types import Model, Placement, Version
from penstock.serving.ports import PredictionService
from penstock.serving.types import Loaded, Plan, ServedModel


class _Trial(msgspec.Struct, frozen=True, kw_only=True):
    """A candidate where it is to serve, and the champion it is measured against."""

    held: Held
    version: Version
    champion: Version | None


class Rollouts:
    """Lets versions that pass their gate answer, and keeps the prediction service at what was decided."""

    def __init__(
        self,
        store: Store,
        blobs: Blobs,
        service: PredictionService,
        models: Models,
        clock: Clock,
        *,
        virtual_now: Callable[[], datetime | None] = lambda: None,
    ) -> None:
        """`virtual_now` tells the virtual time, or None in a home with the real clock."""
        self._store = store
        self._blobs = blobs
        self._service = service
        self._models = models
        self._clock = clock
        self._virtual_now = virtual_now
        self._environments = Environments(blobs)
        self._plans = Plans(self._environments)
        self._applied: Plan | None = None
        self._conversation = RLock()  # a plan must not replace one that a candidate is being tried with

    def tick(self, now: datetime) -> bool:
        """Judge the oldest candidate, then bring the prediction service to what was decided.

        Raises Unavailable when the service does not answer: nothing was decided, the next tick
        tries again.
        """
        with self._store.read() as reader:
            trial = self._next_trial(reader)
        judged = self._judge(trial, now) if trial else False
        return self._sync(now) or judged

    def push(self) -> None:
        """Bring the prediction service up to date now, such as with a new virtual time."""
        self._sync(self._clock.now())

    def desired_plan(self, reader: Reader) -> Plan:
        """What the prediction service should be serving."""
        return self._plans.desired(reader, self._virtual_now())

    def home_of(self, model: str) -> str:
        """The last environment, in the order of promotion, where a model has a champion. Raises NotFound."""
        with self._store.read() as reader:
            champions = reader.find(Placement, model=model, role="champion")
            order = self._environments.order(reader)
        if not champions:
            raise NotFound(
                what=f"The model {model} has no champion anywhere",
                fix="Its first version is placed as soon as it has passed its gate.",
            )
        return max((p.environment for p in champions), key=lambda name: order.get(name, 0))

    def promote(self, model: str, number: int, environment: str, actor: str) -> Placement:
        """Make an approved version champion at once; propose one that was never judged to the gate there.

        Raises NotFound, and NotAllowed for a version that its gate rejected or an environment
        where models do not serve.
        """
        with self._store.begin() as tx:
            version = self._plans.version(tx, model, number)
            placed = _placement(tx, environment, version)
            if placed is not None and placed.role in {"champion", "candidate"}:
                return placed
            if placed is None:
                self._require_serving(tx, version.project, environment)
                why, cause = f"proposed by {actor}", version.event
                return self._models.place(
                    tx, version, environment, "candidate", actor=actor, why=why, cause=cause
                )
            if placed.role == "rejected":
                raise NotAllowed(
                    what=f"{version.id} did not pass the gate of {environment}",
                    found=placed.why,
                    fix="Train a better version, or change the gate and train again.",
                )
            why = f"promoted by {actor}"
            return self._crown(tx, version, environment, actor=actor, why=why, cause=placed.event)

    def rollback(self, model: str, environment: str, actor: str) -> Placement:
        """Make the previous champion answer again, at once. Raises Conflict when there is none."""
        with self._store.begin() as tx:
            found = tx.find(Placement, model=model, environment=environment, role="previous")
            if not found:
                raise Conflict(
                    what=f"There is no previous champion of {model} in {environment} to go back to",
                    fix="penstock models show lists the versions that were approved.",
                )
            version = self._plans.version(tx, model, found[0].number)
            why = f"rolled back by {actor}"
            return self._crown(tx, version, environment, actor=actor, why=why, cause=found[0].event)

    # The gate.

    def _next_trial(self, reader: Reader) -> _Trial | None:
        """The oldest version that waits for its gate in an environment where models serve."""
        for held in self._environments.held(reader):
            if not held.rule.serve:
                continue
            for model in reader.find(Model, project=held.release.project):
                version = self._candidate(reader, model.id, held.rule.name)
                if version is not None:
                    return _Trial(
                        held=held,
                        version=version,
                        champion=self._champion(reader, model.id, held.rule.name),
                    )
        return None

    def _candidate(self, reader: Reader, model: str, environment: str) -> Version | None:
        placed = {p.number: p.role for p in reader.find(Placement, model=model, environment=environment)}
        for number in range(1, reader.count(Version, model=model) + 1):
            if number not in placed:
                version = self._plans.version(reader, model, number)
                if version.environment == environment:
                    return version
            elif placed[number] == "candidate":
                return self._plans.version(reader, model, number)
        return None

    def _champion(self, reader: Reader, model: str, environment: str) -> Version | None:
        found = reader.find(Placement, model=model, environment=environment, role="champion")
        return self._plans.version(reader, model, found[0].number) if found else None

    def _judge(self, trial: _Trial, now: datetime) -> bool:
        version, environment = trial.version, trial.held.rule.name
        with self._conversation:
            with self._store.read() as reader:
                plan = self._plans.desired(reader, self._virtual_now(), (environment, version))
            self._applied = None  # whatever comes of the trial, its plan is not the one to stay with
            facts = gather(self._service, self._blobs, version, trial.champion, plan)
        configured = trial.held.config.models.get(version.model)
        verdicts = judge(configured.gate if configured else None, version.model, facts)
        with self._store.begin() as tx:
            placed = _placement(tx, environment, version)
            if placed is not None and placed.role != "candidate":
                return False
            if self._champion(tx, version.model, environment) != trial.champion:
                return True
            cause = placed.event if placed else version.event
            report = _report(tx, version, environment, verdicts, cause=cause, now=now)
            if report.outcome == "passed":
                why = f"passed the gate of {environment}"
                self._crown(tx, version, environment, actor="penstock", why=why, cause=report.event)
            else:
                why = "; ".join(f"{v.check}: {v.why}" for v in verdicts if not v.passed)
                self._models.place(
                    tx, version, environment, "rejected", actor="penstock", why=why, cause=report.event
                )
        return True

    def _crown(
        self, tx: Transaction, version: Version, environment: str, *, actor: str, why: str, cause: int
    ) -> Placement:
        """Make a version champion; who led before steps down first."""
        placements = tx.find(Placement, model=version.model, environment=environment)
        for number, role in demotions(placements, version.number):
            other = self._plans.version(tx, version.model, number)
            followed = f"followed by version {version.number}"
            self._models.place(tx, other, environment, role, actor=actor, why=followed, cause=cause)
        return self._models.place(tx, version, environment, "champion", actor=actor, why=why, cause=cause)

    def _require_serving(self, reader: Reader, project: str, environment: str) -> None:
        held = self._environments.find(reader, project, environment)
        if held is None or not held.rule.serve:
            raise NotAllowed(
                what=f"No model of {project} serves in {environment}",
                found="serve = false" if held else "no release there",
                fix="Promote a release to an environment that serves first.",
            )

    # The prediction service.

    def _sync(self, now: datetime) -> bool:
        with self._conversation:
            with self._store.read() as reader:
                plan = self.desired_plan(reader)
            changed = plan != self._applied
            loaded = self._service.apply(plan) if changed else self._service.loaded()
            if not changed and not all(live(plan, loaded).values()):
                loaded, changed = self._service.apply(plan), True
            self._applied = plan
        seen = live(plan, loaded)
        swapped = [self._observe(model, now) for model, answers in seen.items() if answers]
        for model, answers in seen.items():
            if not answers:
                raise _not_served(model, loaded)
        return any(swapped) or changed

    def _observe(self, model: ServedModel, now: datetime) -> bool:
        """Record that a champion was seen to answer for the first time since another did."""
        with self._store.read() as reader:
            if _last_live(reader, model) == model.champion:
                return False
        with self._store.begin() as tx:
            before = _last_live(tx, model)
            if before == model.champion:
                return False
            placement = tx.get(Placement, f"{model.environment}:{model.name}@{model.champion}")
            [event] = tx.publish(
                Event(
                    kind="model.live",
                    subject=f"version:{model.name}@{model.champion}",
                    time=now,
                    project=placement.project,
                    evidence={"environment": model.environment, "before": before, "after": model.champion},
                    cause=placement.event,
                )
            )
            tx.add(
                Swap(
                    id=tx.mint(Swap),
                    environment=model.environment,
                    model=model.name,
                    before=before,
                    after=model.champion,
                    time=now,
                    event=event,
                )
            )
        return True


def _not_served(model: ServedModel, loaded: Sequence[Loaded]) -> Unavailable:
    place = (model.name, model.champion)
    errors = [seen.error for seen in loaded if (seen.model, seen.number) == place]
    return Unavailable(
        what=f"The prediction service does not serve the champion {model.name}@{model.champion}",
        found="; ".join(filter(None, errors)) or "nothing of it",
        fix="See the prediction service's log.",
    )


def _placement(reader: Reader, environment: str, version: Version) -> Placement | None:
    found = reader.find(Placement, id=f"{environment}:{version.id}")
    return found[0] if found else None


def _last_live(reader: Reader, model: ServedModel) -> int:
    found = reader.find(Swap, model=model.name, environment=model.environment, order="-event", limit=1)
    return found[0].after if found else 0


def _report(
    tx: Transaction,
    version: Version,
    environment: str,
    verdicts: tuple[Verdict, ...],
    *,
    cause: int,
    now: datetime,
) -> GateReport:
    passed = all(verdict.passed for verdict in verdicts)
    outcome = "passed" if passed else "failed"
    [event] = tx.publish(
        Event(
            kind=f"gate.{outcome}",
            subject=f"version:{version.id}",
            time=now,
            project=version.project,
            evidence={
                "environment": environment,
                "artifact": version.artifact,
                "verdicts": [msgspec.to_builtins(verdict) for verdict in verdicts],
            },
            cause=cause or None,
        )
    )
    report = GateReport(
        id=f"{environment}:{version.id}",
        environment=environment,
        model=version.model,
        number=version.number,
        artifact=version.artifact,
        time=now,
        outcome="passed" if passed else "failed",
        verdicts=verdicts,
        event=event,
    )
    tx.add(report)
    return report
