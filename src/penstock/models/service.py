"""The verbs of the registry: versions enter from succeeded runs, take roles, and are looked up."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from penstock.core.clock import Clock
from penstock.core.errors import Conflict, NotFound
from penstock.core.events import Event
from penstock.core.words import meant
from penstock.lineage.ports import Blobs, Reader, Store, Transaction
from penstock.models.decide import Stage, champion_at, stage
from penstock.models.intake import Intake
from penstock.models.types import Entry, Model, Placement, Role, RoleChange, Version
from penstock.revisions.config import ModelConfig


class Models:
    """The registry of models. A version never changes; its roles are a history that only grows."""

    def __init__(
        self,
        store: Store,
        blobs: Blobs,
        clock: Clock,
        *,
        registers: Callable[[str, str], bool],
        commit_of: Callable[[str], str] = lambda _release: "",
        declared: Callable[[str, str, str], ModelConfig | None] = lambda _release, _environment, _model: None,
        last_environment: Callable[[str], str] = lambda _project: "production",
        pickles: bool = True,
    ) -> None:
        """`registers(project, environment)` says whether a run there makes versions or is a rehearsal.

        `commit_of(release)` names the commit that a release was made of, `declared(release, environment,
        model)` what its `penstock.toml` says of a model there, `last_environment(project)` the end of its
        order of promotion; `pickles` whether a release may have such served.
        """
        self._store = store
        self._clock = clock
        self._intake = Intake(
            store,
            blobs,
            registers=registers,
            commit_of=commit_of,
            declared=declared,
            pickles=pickles,
        )
        self._last_environment = last_environment

    def tick(self, now: datetime) -> bool:
        """Register the versions of runs that succeeded since the last tick, in that order."""
        return self._intake.tick(now)

    def now(self) -> datetime:
        """The time that role changes carry."""
        return self._clock.now()

    def place(
        self,
        tx: Transaction,
        version: Version,
        environment: str,
        role: Role,
        *,
        actor: str,
        why: str,
        cause: int | None,
    ) -> Placement:
        """Give a version a role in an environment.

        Raises Conflict when another version is champion there: it has to step down first.
        """
        if role == "champion":
            for other in tx.find(Placement, environment=environment, model=version.model, role="champion"):
                if other.number != version.number:
                    raise Conflict(
                        what=f"{environment} has a champion of {version.model} already",
                        found=f"version {other.number}",
                    )
        now = self._clock.now()
        told = Event(
            kind="version.placed",
            subject=f"version:{version.id}",
            time=now,
            actor=actor,
            project=version.project,
            evidence={"environment": environment, "role": role, "why": why, "artifact": version.artifact},
            cause=cause or None,
        )
        [event] = tx.publish(told)
        placement = Placement(
            id=f"{environment}:{version.id}",
            environment=environment,
            project=version.project,
            model=version.model,
            number=version.number,
            role=role,
            since=now,
            actor=actor,
            why=why,
            event=event,
        )
        (tx.put if tx.count(Placement, id=placement.id) else tx.add)(placement)
        tx.add(
            RoleChange(
                id=tx.mint(RoleChange),
                environment=environment,
                model=version.model,
                number=version.number,
                role=role,
                time=now,
                actor=actor,
                why=why,
                event=event,
            )
        )
        return placement

    def placed(self, model: str, environment: str) -> Placement:
        """The placement of the champion in an environment. Raises NotFound."""
        with self._store.read() as reader:
            found = reader.find(Placement, model=model, environment=environment, role="champion")
        if not found:
            raise NotFound(
                what=f"There is no champion of {model!r}" + (f" in {environment}" if environment else "")
            )
        return found[0]

    def champion(self, model: str, environment: str) -> Version | None:
        """The version that answers in an environment, None before there is one."""
        with self._store.read() as reader:
            found = reader.find(Placement, model=model, environment=environment, role="champion")
            return reader.get(Version, f"{model}@{found[0].number}") if found else None

    def champion_at(self, model: str, environment: str, time: datetime) -> Version | None:
        """The version that was champion at a time, None if there was none."""
        number = champion_at(self.history(model), environment, time)
        if not number:
            return None
        with self._store.read() as reader:
            return reader.get(Version, f"{model}@{number}")

    def history(self, model: str) -> list[RoleChange]:
        """Every role that every version of a model ever took, oldest first."""
        with self._store.read() as reader:
            return reader.find(RoleChange, model=model)

    def stage(self, version: Version) -> Stage:
        """The stage of a version, derived from its placements."""
        with self._store.read() as reader:
            placements = reader.find(Placement, model=version.model, number=version.number)
        return stage(placements, self._last_environment(version.project))

    def show(self, ref: str) -> Entry:
        """`NAME` (its newest version), `NAME@3` or `NAME@production` (its champion). Raises NotFound."""
        name, _, place = ref.partition("@")
        with self._store.read() as reader:
            known = reader.find(Model, withdrawn=None)
            model = next((model for model in known if model.id == name), None)
            if model is None:
                fix = (
                    meant(name, (model.id for model in known)) or "None is registered: penstock run PIPELINE."
                )
                raise NotFound(what=f"There is no model {name!r}", fix=fix)
            version = _version(reader, name, place)
            placements = reader.find(Placement, model=name, number=version.number)
        return Entry(
            model=model,
            version=version,
            stage=stage(placements, self._last_environment(model.project)),
            placements=tuple(placements),
        )


def _version(reader: Reader, name: str, place: str) -> Version:
    if place.isdecimal():
        return reader.get(Version, f"{name}@{int(place)}")
    if not place:
        newest = reader.find(Version, model=name, withdrawn=None, order="-number", limit=1)
        if not newest:
            raise NotFound(what=f"The model {name} has no version yet.")
        return newest[0]
    champions = reader.find(Placement, model=name, environment=place, role="champion")
    if not champions:
        raise NotFound(
            what=f"{place} has no champion of {name}",
            fix="Name a version such as NAME@3, or an environment where it serves.",
        )
    return reader.get(Version, f"{name}@{champions[0].number}")
