"""Model versions on their way to traffic: gate, rollout or hot swap, and back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

import msgspec

from penstock.core.clock import Clock
from penstock.core.errors import Conflict, NotAllowed, NotFound
from penstock.deployments.awaiting import awaited
from penstock.deployments.champions import Champions, under_way
from penstock.deployments.decide import judge
from penstock.deployments.environments import Environments, Held
from penstock.deployments.plans import Plans
from penstock.deployments.ports import Labelled
from penstock.deployments.production import ProductionTests
from penstock.deployments.progress import Progress
from penstock.deployments.reports import keyed, lasting, told_report
from penstock.deployments.signing import unsigned, with_people
from penstock.deployments.swaps import Swaps
from penstock.deployments.tryouts import Submit, Tryouts, at_once
from penstock.lineage.ports import Blobs, Reader, Store, Transaction
from penstock.models.service import Models
from penstock.models.types import FILES, Model, Placement, Version
from penstock.serving.ports import PredictionService
from penstock.serving.types import Offer, Plan


class _Trial(msgspec.Struct, frozen=True, kw_only=True):
    """A candidate where it is to serve, or be tested, and the champion it is measured against."""

    held: Held
    version: Version
    champion: Version | None
    test: str = ""


class Rollouts:
    """Lets versions that pass their gate answer, and takes them back."""

    def __init__(
        self,
        store: Store,
        blobs: Blobs,
        service: PredictionService,
        models: Models,
        clock: Clock,
        *,
        labelled: Labelled,
        virtual_now: Callable[[], datetime | None] = lambda: None,
        offered: Callable[[Reader], Offer] = lambda _reader: Offer(),
        submit: Submit = at_once,
        prepare: Callable[[Version], None] = lambda _version: None,
        trusted: float = 0.0,
    ) -> None:
        """`virtual_now` and `offered` see `Plans`; `submit` has
        candidates tried, here or beside, once `prepare` has seen to what one needs beside its file.
        A service that was seen to follow its plan is `trusted` for so many seconds to do so still.
        """
        self._store = store
        self._models = models
        self._clock = clock
        self._environments = Environments(blobs)
        self._plans = Plans(self._environments, virtual_now, offered)
        self._swaps = Swaps(store, blobs, service, self._plans, prepare, trusted=trusted)
        self._tryouts = Tryouts(submit)
        self._champions = Champions(models, self._plans)
        self.tests = ProductionTests(
            store, service, models, self._plans, environments=self._environments, labelled=labelled
        )
        self.progress = Progress(store, service, models, self._plans, labelled)

    @property
    def trying(self) -> bool:
        """Whether a candidate is being tried."""
        return self._tryouts.under_way()

    def tick(self, now: datetime) -> bool:
        """Judge a candidate, move what is on its way, then bring the prediction service to what was decided.

        Raises Unavailable when the service does not answer: nothing was decided, the next tick
        tries again.
        """
        with self._store.read() as reader:
            late = list(self._late(reader))
            trial = self._next_trial(reader)
        for environment, version, why in late:
            self._wait(environment, version, why)
        judged = self._judge(trial, now) if trial else False
        moved = self.progress.tick(now)
        ended = self.tests.tick(now)
        return self._swaps.follow(now) or judged or moved or ended

    def again(self) -> None:
        """Have the prediction service load once more what it could not: what that needs has come."""
        self._swaps.again()

    def push(self) -> None:
        """Bring the prediction service up to date now, such as with a new virtual time."""
        self._swaps.follow(self._clock.now())

    def desired_plan(self, reader: Reader) -> Plan:
        """What the prediction service should be serving."""
        return self._plans.desired(reader)

    def readers(self, reader: Reader) -> Iterator[tuple[str, Version]]:
        """The versions that read features online, each with its environment: those that stay loaded, and
        those that wait for their gate. A version may come twice.
        """
        yield from self._plans.resident(reader)
        yield from self._before_gates(reader)
        for test in self.tests.waiting(reader):
            yield test.environment, self._plans.version(reader, test.model, test.number)

    def home_of(self, model: str) -> str:
        """The last environment, in the order of promotion, where a model has a champion. Raises NotFound."""
        with self._store.read() as reader:
            champions = reader.find(Placement, model=model, role="champion")
            order = self._environments.order(reader)
        if not champions:
            raise NotFound(
                what=f"The model {model} has no champion anywhere.",
                fix="Its first version is placed as soon as it has passed its gate.",
            )
        return max((p.environment for p in champions), key=lambda name: order.get(name, 0))

    def promote(self, model: str, number: int, environment: str, actor: str) -> Placement:
        """Make an approved version champion at once, also one whose rollout is under way; propose another to
        the gate there, or one that waits for features online.

        Raises NotFound, and NotAllowed for a version that its gate rejected or an environment
        where models do not serve.
        """
        with self._store.begin() as tx:
            version = self._plans.version(tx, model, number)
            _require_proved(version)
            placed = _placement(tx, environment, version)
            if placed is not None and placed.role in {"champion", "candidate"}:
                return placed
            require_lasting(version, self._clock.now())
            late = {"previous", "retired"} if awaited(tx, version, environment) else set[str]()
            if placed is None or placed.role in late | {"reverted", "superseded"}:
                self._require_serving(tx, version.project, environment)
                why, cause = f"proposed by {actor}", version.event
                return self._models.place(
                    tx, version, environment, "candidate", actor=actor, why=why, cause=cause
                )
            if placed.role == "rejected":
                raise NotAllowed(
                    what=f"{version.id} did not pass the gate of {environment}",
                    found=placed.why,
                    fix="Train a better version, change the gate and train again, or have it excused for a "
                    "while: penstock models waive.",
                )
            if placed.role == "archived":
                raise NotAllowed(
                    what=f"{version.id} is archived",
                    found=placed.why,
                    fix=f"penstock models restore {version.id} brings it back.",
                )
            why = f"promoted by {actor}"
            return self._champions.crown(tx, version, environment, actor=actor, why=why, cause=placed.event)

    def rollback(
        self, model: str, environment: str, actor: str, *, instead_of: int = 0, cause: int = 0
    ) -> Placement:
        """Make the previous champion answer again, at once; during a rollout, the one that still leads.

        With `instead_of`, only that version is taken back: asking twice goes back once. Raises Conflict when
        there is no previous one, or another answers or is on its way.
        """
        with self._store.begin() as tx:
            if instead_of:
                _require_leading(tx, model, environment, instead_of)
            if rollout := under_way(tx, model, environment):
                self._champions.take_back(tx, rollout, "aborted", f"rolled back by {actor}", actor)
                return tx.find(Placement, model=model, environment=environment, role="champion")[0]
            found = tx.find(Placement, model=model, environment=environment, role="previous")
            if not found:
                raise Conflict(
                    what=f"There is no previous champion of {model} in {environment} to go back to.",
                    fix="penstock models show lists the versions that were approved.",
                )
            version = self._plans.version(tx, model, found[0].number)
            why = f"rolled back by {actor}"
            caused = cause or found[0].event
            return self._champions.crown(tx, version, environment, actor=actor, why=why, cause=caused)

    # The gate.

    def _next_trial(self, reader: Reader) -> _Trial | None:
        """The version that waits for its gate in an environment where models serve, and whose turn it is."""
        for held in self._environments.held(reader):
            if not held.rule.serve:
                continue
            for model in reader.find(Model, project=held.release.project):
                if under_way(reader, model.id, held.rule.name):
                    continue
                version = self._candidate(reader, model.id, held)
                if version is not None:
                    return _Trial(
                        held=held,
                        version=version,
                        champion=self._champion(reader, model.id, held.rule.name),
                    )
        for test in self.tests.waiting(reader):
            place = self._environments.find(reader, test.project, test.environment)
            version = self._plans.version(reader, test.model, test.number)
            if place is not None and not awaited(reader, version, test.environment):
                return _Trial(
                    held=place,
                    version=version,
                    champion=self._champion(reader, test.model, test.environment),
                    test=test.id,
                )
        return None

    def _candidate(self, reader: Reader, model: str, held: Held) -> Version | None:
        """The oldest that waits; where there are rollouts, one that was asked for, or the newest."""
        waiting, placed = self._waiting(reader, model, held.rule.name)
        waiting = [version for version in waiting if not awaited(reader, version, held.rule.name)]
        configured = held.config.models.get(model)
        if configured and configured.rollout:
            waiting = [version for version in waiting if version.id in placed] or waiting[-1:]
        return waiting[0] if waiting else None

    def _before_gates(self, reader: Reader) -> Iterator[tuple[str, Version]]:
        """The versions that wait for their gate, each with its environment."""
        for held in self._environments.held(reader):
            if held.rule.serve:
                for model in reader.find(Model, project=held.release.project):
                    for version in self._waiting(reader, model.id, held.rule.name)[0]:
                        yield held.rule.name, version

    def _late(self, reader: Reader) -> Iterator[tuple[str, Version, str]]:
        """The versions of which it is not told yet what they wait for online, with that."""
        for environment, version in self._before_gates(reader):
            if why := awaited(reader, version, environment):
                placed = _placement(reader, environment, version)
                if placed is None or placed.why != why:
                    yield environment, version, why

    def _wait(self, environment: str, version: Version, why: str) -> None:
        """Say what a version waits for before its gate."""
        with self._store.begin() as tx:
            placed = _placement(tx, environment, version)
            if placed is None or (placed.role == "candidate" and placed.why != why):
                actor = placed.actor if placed else "penstock"
                cause = placed.event if placed else version.event
                self._models.place(tx, version, environment, "candidate", actor=actor, why=why, cause=cause)

    def _waiting(self, reader: Reader, model: str, environment: str) -> tuple[list[Version], set[str]]:
        """The versions that wait for their gate, the oldest first, and the ids of all that were placed."""
        placed = {p.number: p.role for p in reader.find(Placement, model=model, environment=environment)}
        held_up = unsigned(reader, model, environment)
        waiting = [
            version
            for number in range(1, reader.count(Version, model=model) + 1)
            if number not in held_up
            and placed.get(number, "candidate") == "candidate"
            and (
                (version := self._plans.version(reader, model, number)).environment == environment
                or number in placed
            )
        ]
        return waiting, {f"{model}@{number}" for number in placed}

    def _champion(self, reader: Reader, model: str, environment: str) -> Version | None:
        found = reader.find(Placement, model=model, environment=environment, role="champion")
        return self._plans.version(reader, model, found[0].number) if found else None

    def _judge(self, trial: _Trial, now: datetime) -> bool:
        version, environment = trial.version, trial.held.rule.name
        configured = trial.held.config.models.get(version.model)
        gate = configured.gate if configured else ()
        champion = trial.champion.id if trial.champion else ""
        facts = self._tryouts.facts(
            (environment, version.id, champion),
            lambda: self._swaps.try_out(environment, version, trial.champion, gate),
        )
        if facts is None:
            return False
        asked = () if trial.test else gate  # a test makes nobody champion: people need not sign it
        with self._store.begin() as tx:
            found = (*judge(gate, version.model, facts), *keyed(configured, version), *lasting(version, now))
            verdicts = with_people(tx, asked, version, environment, found, now)
            placed = _placement(tx, environment, version)
            if placed is not None and placed.role != "candidate" and not trial.test:
                return False
            if self._champion(tx, version.model, environment) != trial.champion:
                return True
            if under_way(tx, version.model, environment) and not trial.test:
                return False
            cause = placed.event if placed else version.event
            report = told_report(tx, version, environment, verdicts, facts.assessed, cause=cause, now=now)
            if trial.test:
                self.tests.gate(tx, trial.test, report)
            elif report.outcome == "passed":
                self._over(tx, version, trial.champion, trial.held, report.event)
            elif report.outcome == "failed":
                why = "; ".join(f"{v.check}: {v.why}" for v in verdicts if not v.holds)
                self._models.place(
                    tx, version, environment, "rejected", actor="penstock", why=why, cause=report.event
                )
        return True

    def _over(
        self, tx: Transaction, version: Version, champion: Version | None, held: Held, cause: int
    ) -> None:
        """Let a version that passed its gate take over, by a rollout where one is declared and there is
        traffic to share.
        """
        environment = held.rule.name
        why = f"passed the gate of {environment}"
        how = held.config.models[version.model].rollout
        if how is None or champion is None or not self._leads(tx, version.model, environment):
            self._champions.crown(tx, version, environment, actor="penstock", why=why, cause=cause)
            return
        for older in self._waiting(tx, version.model, environment)[0]:
            if older.number < version.number:
                followed = f"version {version.number} was there before its turn came"
                self._models.place(
                    tx, older, environment, "superseded", actor="penstock", why=followed, cause=cause
                )
        self.tests.make_room(tx, version.model, environment, f"a rollout of version {version.number} began")
        self.progress.begin(tx, version, environment, champion.number, how, why=why, cause=cause)

    def _leads(self, reader: Reader, model: str, environment: str) -> bool:
        """Whether requests to the model's URL come to this environment."""
        order = self._environments.order(reader)
        champions = reader.find(Placement, model=model, role="champion")
        return max(champions, key=lambda p: order.get(p.environment, 0)).environment == environment

    def _require_serving(self, reader: Reader, project: str, environment: str) -> None:
        held = self._environments.find(reader, project, environment)
        if held is None or not held.rule.serve:
            raise NotAllowed(
                what=f"No model of {project} serves in {environment}",
                found="serve = false" if held else "no release there",
                fix="Promote a release to an environment that serves first.",
            )


def _require_proved(version: Version) -> None:
    if version.format == FILES:
        raise NotAllowed(
            what=f"{version.id} is kept as a client uploaded it and cannot be served",
            expected="a version that a pipeline published",
            found="files that nobody has converted and proved",
            fix="Publish the model from a pipeline: its gate, parity and examples come with that.",
        )


def require_lasting(version: Version, now: datetime) -> None:
    """Raises NotAllowed for a version whose time is over."""
    if version.expires and version.expires <= now:
        raise NotAllowed(
            what=f"{version.id} expired",
            found=f"{version.expires:%Y-%m-%d %H:%M} UTC",
            fix="Train another one; expires_after in penstock.toml says how long a version lasts.",
        )


def _placement(reader: Reader, environment: str, version: Version) -> Placement | None:
    found = reader.find(Placement, id=f"{environment}:{version.id}")
    return found[0] if found else None


def _require_leading(tx: Transaction, model: str, environment: str, number: int) -> None:
    """Raises Conflict unless this version answers, and no rollout is to change that."""
    leading = tx.find(Placement, model=model, environment=environment, role="champion", number=number)
    if not leading or under_way(tx, model, environment):
        raise Conflict(
            what=f"{model}@{number} was not taken back in {environment}: another answers, or is on its way."
        )
