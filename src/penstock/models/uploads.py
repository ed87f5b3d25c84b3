"""Versions that clients upload, the aliases they give, and what of the registry they may not decide."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime

import msgspec
from msgspec.structs import replace

from penstock.core.clock import Clock
from penstock.core.errors import Conflict, InvalidValue, NotAllowed, NotFound
from penstock.core.events import Event
from penstock.datasets.types import Profile
from penstock.lineage.attachments import File
from penstock.lineage.ports import Blobs, Reader, Store
from penstock.lineage.tags import check_key, drop_tag, set_tags
from penstock.models.types import FILES, Alias, Model, Placement, Protection, Signature, Version, owner_of

CHAMPION = "champion"
LARGEST = 250
_NAME = re.compile(r"[^/:@%?#\\\x00-\x1f\x7f]+")
"""Names of models stand in URLs, and before `@` in the names of their versions."""
_LIKE_A_NUMBER = re.compile(r"v?\d+", re.IGNORECASE)


class Uploads:
    """What clients register: models of no project, whose versions are kept and not served."""

    def __init__(self, store: Store, blobs: Blobs, clock: Clock) -> None:
        self._store = store
        self._blobs = blobs
        self._clock = clock

    def create(self, name: str, *, tags: Mapping[str, str], actor: str) -> Model:
        """Add a model without versions. Raises Conflict when there is one of this name, and InvalidValue."""
        now = self._clock.now()
        with self._store.begin() as tx:
            known = tx.find(Model, id=_checked(name))
            if known and not known[0].withdrawn:
                raise Conflict(what=f"There is already a model {name}")
            model = Model(id=name, project="", created=known[0].created if known else now)
            (tx.put if known else tx.add)(model)
            tx.publish(_told("model.created", f"model:{name}", now, actor))
            set_tags(tx, f"model:{name}", tags)
        return model

    def register(
        self,
        name: str,
        files: Mapping[str, File],
        *,
        source: str,
        run: str,
        logged: str,
        metrics: Mapping[str, float],
        params: Mapping[str, str],
        tags: Mapping[str, str],
        actor: str,
    ) -> Version:
        """Add the next version of a model, made of files as they are now.

        Raises NotFound, InvalidValue where there are no files, and NotAllowed for a model of a project.
        """
        if not files:
            raise InvalidValue(
                what="A version is made of files", found=f"none at {source}", fix="Log the model first."
            )
        now = self._clock.now()
        artifact = self._blobs.put(msgspec.json.encode(files, order="sorted"))
        with self._store.begin() as tx:
            _own(tx, name)
            number = tx.count(Version, model=name) + 1
            version = Version(
                id=f"{name}@{number}",
                model=name,
                number=number,
                project="",
                environment="development",
                run=run,
                added=now,
                format=FILES,
                artifact=artifact,
                location=self._blobs.where(artifact),
                size=sum(file.size for file in files.values()),
                signature=Signature(task="unknown", inputs=()),
                metrics=dict(metrics),
                profile=Profile(rows=0, columns=()),
                examples="",
                holdout="",
                label="",
                parity={},
                training={"snapshots": []},
                governance={"actor": actor, "run": run},
                metadata={"source": source, "logged": logged, "params": dict(params)},
            )
            told = _told(
                "version.registered", f"version:{version.id}", now, actor, artifact=artifact, run=run
            )
            version = replace(version, event=tx.publish(told)[0])
            tx.add(version)
            set_tags(tx, f"version:{version.id}", tags)
        return version

    def files(self, version: Version) -> dict[str, File]:
        """The files of an uploaded version by path. Raises NotFound for any other, and for bytes gone."""
        if version.format != FILES:
            raise NotFound(
                what=f"{version.id} was published by a pipeline: it is served, and not handed out as files.",
                fix=f"Ask the prediction service for {version.model}.",
            )
        return msgspec.json.decode(self._blobs.get(version.artifact), type=dict[str, File])

    def withdraw(self, name: str, number: int | None = None, *, actor: str) -> None:
        """Take back a version, or a model with all of its. Raises NotFound, and NotAllowed where it is not
        theirs or protected.
        """
        now = self._clock.now()
        with self._store.begin() as tx:
            model = _own(tx, name)
            some = [present(tx, name, number)] if number else tx.find(Version, model=name, withdrawn=None)
            for version in some:
                require_unprotected(tx, version.id)
            tx.put(*(replace(version, withdrawn=now) for version in some))
            told = f"version:{name}@{number}" if number else f"model:{name}"
            tx.publish(_told("version.withdrawn" if number else "model.withdrawn", told, now, actor))
            if not number:
                tx.put(replace(model, withdrawn=now))
            gone = {version.number for version in some}
            tx.put(*(replace(a, number=None) for a in tx.find(Alias, model=name) if a.number in gone))

    def alias(self, name: str, alias: str, number: int | None, *, actor: str) -> None:
        """Let a version have an alias, or with no number nobody.

        Raises NotFound, InvalidValue for what is no alias, and NotAllowed for one that follows from roles.
        """
        now = self._clock.now()
        check_key(alias, "alias")
        if alias == "latest" or _LIKE_A_NUMBER.fullmatch(alias):
            raise InvalidValue(what="This cannot be an alias", expected="a word of your own", found=alias)
        with self._store.begin() as tx:
            shown(tx, name)
            if alias in {CHAMPION, *champions(tx, name)}:
                raise NotAllowed(
                    what=f"The alias {alias} follows from which version is champion and cannot be set.",
                    fix=f"penstock promote {name}@{number or 'N'} --to ENVIRONMENT takes it past its gate.",
                )
            if number is not None:
                present(tx, name, number)
            made = Alias(id=f"{name}@{alias}", model=name, name=alias, number=number)
            before = tx.find(Alias, id=made.id)
            if before == [made] or (number is None and not before):
                return
            (tx.put if before else tx.add)(made)
            tx.publish(_told("alias.set", f"model:{name}", now, actor, alias=alias, number=number))

    def tag(self, name: str, number: int | None, tags: Mapping[str, str]) -> None:
        """Attach texts to a version, or to a model. Raises NotFound."""
        with self._store.begin() as tx:
            set_tags(tx, _subject(tx, name, number), tags)

    def untag(self, name: str, number: int | None, key: str) -> None:
        """Remove a tag. Raises NotFound."""
        with self._store.begin() as tx:
            drop_tag(tx, _subject(tx, name, number), key)


def shown(reader: Reader, name: str) -> Model:
    """A model that was not withdrawn. Raises NotFound."""
    found = reader.find(Model, id=name)
    if not found or found[0].withdrawn:
        raise NotFound(what=f"There is no model {name!r}")
    return found[0]


def present(reader: Reader, name: str, number: int) -> Version:
    """A version that was not withdrawn. Raises NotFound."""
    found = reader.find(Version, id=f"{name}@{number}")
    if not found or found[0].withdrawn:
        raise NotFound(what=f"There is no version {number} of {name}")
    return found[0]


def require_unprotected(reader: Reader, version: str) -> None:
    """Raises NotAllowed for a version that somebody protected."""
    found = reader.find(Protection, id=version, ended=None)
    if found:
        raise NotAllowed(
            what=f"{version} is protected by {found[0].actor}",
            found=found[0].why,
            fix=f"penstock models unprotect {version} ends that.",
        )


def champions(reader: Reader, model: str) -> dict[str, int]:
    """The numbers of a model's champions by environment."""
    rows = reader.pick(Placement, ("environment", "number"), model=model, role="champion")
    return dict(rows)


def aliases(reader: Reader, model: str, last_environment: str) -> dict[str, int]:
    """The aliases of a model with the numbers of their versions.

    Beside those that were given there is one of each environment's champion by the environment's name, and
    `champion` for the one in the last environment: these go before any other of their name.
    """
    given = {a.name: a.number for a in reader.find(Alias, model=model) if a.number is not None}
    derived = champions(reader, model)
    if last_environment in derived:
        derived[CHAMPION] = derived[last_environment]
    return given | derived


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name) or len(name) > LARGEST or name in {".", ".."}:
        raise InvalidValue(
            what="This cannot be the name of a model",
            expected=f"up to {LARGEST} characters without / : @ % ? # and \\",
            found=repr(name[:80]),
        )
    return name


def _own(reader: Reader, name: str) -> Model:
    """A model of clients. Raises NotFound, and NotAllowed for one of a project."""
    found = shown(reader, name)
    if found.project:
        raise NotAllowed(
            what=f"The model {name} belongs to {owner_of(found)}: its pipelines make its versions.",
            fix="Publish from a pipeline, or register under a name of your own.",
        )
    return found


def _subject(reader: Reader, name: str, number: int | None) -> str:
    if number is None:
        return f"model:{shown(reader, name).id}"
    return f"version:{present(reader, name, number).id}"


def _told(kind: str, subject: str, now: datetime, actor: str, **evidence: object) -> Event:
    return Event(kind=kind, subject=subject, time=now, actor=actor, evidence=evidence)
