"""What people say of versions that are there: put away, kept for good, tagged."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from msgspec.structs import replace

from penstock.core.clock import Clock
from penstock.core.errors import Conflict, InvalidValue, NotFound
from penstock.core.events import Event
from penstock.lineage.ports import Store, Transaction
from penstock.lineage.tags import drop_tag, set_tags
from penstock.models.service import Models
from penstock.models.types import Placement, Protection, Role, RoleChange, Version
from penstock.models.uploads import present, require_unprotected, shown

_IN_USE = ("champion", "previous", "challenger")


class Keeping:
    """Archives versions and brings them back, protects and tags them."""

    def __init__(self, store: Store, models: Models, clock: Clock) -> None:
        self._store = store
        self._models = models
        self._clock = clock

    def archive(self, model: str, number: int, *, why: str, actor: str) -> list[Placement]:
        """Put a version away everywhere: it waits for no gate, is not loaded, and cannot be promoted.

        Raises NotFound, Conflict where it answers or may have to at any moment, and NotAllowed for a
        version that is protected.
        """
        with self._store.begin() as tx:
            version = present(tx, model, number)
            require_unprotected(tx, version.id)
            placed = tx.find(Placement, model=model, number=number)
            if used := [p for p in placed if p.role in _IN_USE]:
                raise Conflict(
                    what=f"{version.id} is in use in {used[0].environment}: {used[0].role}.",
                    fix=f"Another version has to take its place first: penstock promote MODEL@N --to "
                    f"{used[0].environment}; penstock rollouts abort ends a rollout.",
                )
            where = [p.environment for p in placed if p.role != "archived"]
            where = where or ([] if placed else [version.environment])
            told = why or f"archived by {actor}"
            return [
                self._place(tx, version, environment, "archived", actor=actor, why=told)
                for environment in where
            ]

    def restore(self, model: str, number: int, *, actor: str) -> list[Placement]:
        """Give an archived version the roles back that it had. Raises NotFound, and Conflict if it is not."""
        with self._store.begin() as tx:
            version = present(tx, model, number)
            where = [p.environment for p in tx.find(Placement, model=model, number=number, role="archived")]
            if not where:
                raise Conflict(what=f"{version.id} is not archived.")
            changes = tx.find(RoleChange, model=model)
            before: dict[str, Role] = {
                change.environment: change.role
                for change in changes
                if change.number == number and change.role != "archived"
            }
            return [
                self._place(
                    tx, version, e, before.get(e, "candidate"), actor=actor, why=f"restored by {actor}"
                )
                for e in where
            ]

    def protect(self, model: str, number: int, *, why: str, actor: str) -> Protection:
        """Keep a version, and all that its run read and made, until that is ended.

        Raises NotFound, and InvalidValue without a reason.
        """
        if not why.strip():
            raise InvalidValue(what="A protection needs a reason", fix="Say why with --why.")
        with self._store.begin() as tx:
            version = present(tx, model, number)
            known = tx.find(Protection, id=version.id)
            if known and known[0].ended is None:
                return known[0]
            now = self._clock.now()
            made = Protection(
                id=version.id,
                model=model,
                number=number,
                why=why,
                actor=actor,
                since=now,
                event=self._tell(tx, "version.protected", version, now, actor=actor, why=why),
            )
            (tx.put if known else tx.add)(made)
        return made

    def unprotect(self, model: str, number: int, *, actor: str) -> Protection:
        """End the protection of a version. Raises NotFound."""
        with self._store.begin() as tx:
            version = present(tx, model, number)
            known = tx.find(Protection, id=version.id, ended=None)
            if not known:
                raise NotFound(what=f"{version.id} is not protected.")
            now = self._clock.now()
            event = self._tell(tx, "version.unprotected", version, now, actor=actor)
            ended = replace(known[0], ended=now, event=event)
            tx.put(ended)
        return ended

    def tag(
        self, model: str, number: int | None, tags: Mapping[str, str], remove: tuple[str, ...], *, actor: str
    ) -> None:
        """Attach texts to a version, or to a model, and remove others. Raises NotFound and InvalidValue."""
        with self._store.begin() as tx:
            version = present(tx, model, number) if number else None
            subject = f"version:{version.id}" if version else f"model:{shown(tx, model).id}"
            set_tags(tx, subject, tags)
            for key in remove:
                drop_tag(tx, subject, key)
            told = {"tags": dict(tags), "removed": list(remove)}
            tx.publish(
                Event(
                    kind="tags.changed", subject=subject, time=self._clock.now(), actor=actor, evidence=told
                )
            )

    def _place(
        self, tx: Transaction, version: Version, environment: str, role: Role, *, actor: str, why: str
    ) -> Placement:
        return self._models.place(
            tx, version, environment, role, actor=actor, why=why, cause=version.event or None
        )

    def _tell(
        self, tx: Transaction, kind: str, version: Version, now: datetime, *, actor: str, **evidence: str
    ) -> int:
        [event] = tx.publish(
            Event(
                kind=kind,
                subject=f"version:{version.id}",
                time=now,
                actor=actor,
                project=version.project,
                evidence=evidence,
                cause=version.event or None,
            )
        )
        return event
