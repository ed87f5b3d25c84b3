"""Who leads: a version becomes champion, and what it replaces steps down; a rollout there ends."""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from penstock.core.events import Event
from penstock.deployments.decide import demotions
from penstock.deployments.plans import Plans
from penstock.deployments.types import Rollout, Status
from penstock.lineage.ports import Reader, Transaction
from penstock.models.service import Models
from penstock.models.types import Placement, Version

ACTIVE = ("running", "paused")


def under_way(reader: Reader, model: str, environment: str) -> Rollout | None:
    """The rollout of a model in an environment that has not ended; there is one at most."""
    found = reader.find(Rollout, model=model, environment=environment, status=ACTIVE)
    return found[0] if found else None


class Champions:
    """Gives and takes the lead."""

    def __init__(self, models: Models, plans: Plans) -> None:
        self._models = models
        self._plans = plans

    def crown(
        self, tx: Transaction, version: Version, environment: str, *, actor: str, why: str, cause: int
    ) -> Placement:
        """Make a version champion; who led before steps down first, and a rollout there is over."""
        rollout = under_way(tx, version.model, environment)
        if rollout and rollout.number == version.number:
            cause = told(tx, rollout, "promoted", why, actor, self._models.now(), cause=cause).event
        elif rollout:
            self.take_back(tx, rollout, "aborted", f"version {version.number} was {why}", actor, cause=cause)
        placements = tx.find(Placement, model=version.model, environment=environment)
        for number, role in demotions(placements, version.number):
            other = self._plans.version(tx, version.model, number)
            followed = f"followed by version {version.number}"
            self._models.place(tx, other, environment, role, actor=actor, why=followed, cause=cause)
        return self._models.place(tx, version, environment, "champion", actor=actor, why=why, cause=cause)

    def take_back(
        self, tx: Transaction, rollout: Rollout, status: Status, why: str, actor: str, *, cause: int = 0,
        guards: object = (),
    ) -> Rollout:  # fmt: skip
        """End a rollout: the champion answers everything again."""
        ended = told(tx, rollout, status, why, actor, self._models.now(), cause=cause, guards=guards)
        version = self._plans.version(tx, rollout.model, rollout.number)
        self._models.place(
            tx, version, rollout.environment, "reverted", actor=actor, why=why, cause=ended.event
        )
        return ended


def told(  # noqa: PLR0917 - a change, whole
    tx: Transaction, rollout: Rollout, status: Status, why: str, actor: str, now: datetime, *,
    kind: str = "", step: int | None = None, cause: int = 0, guards: object = (), new: bool = False,
) -> Rollout:  # fmt: skip
    """Store a rollout with its next status, or step, and tell the ledger; the numbers go with it."""
    ended = status not in ACTIVE
    changed = replace(
        rollout,
        status=status,
        step=rollout.step if step is None else step,
        since=rollout.since if step is None else now,
        ended=now if ended else None,
        actor=actor,
        why=why,
    )
    [event] = tx.publish(
        Event(
            kind=f"rollout.{kind or status}",
            subject=f"rollout:{rollout.id}",
            time=now,
            actor=actor,
            project=rollout.project,
            evidence={
                "environment": rollout.environment,
                "version": f"{rollout.model}@{rollout.number}",
                "champion": rollout.champion,
                "share": changed.share,
                "why": why,
                "guards": guards,
            },
            cause=cause or rollout.event or None,
        )
    )
    changed = replace(changed, event=event)
    (tx.add if new else tx.put)(changed)
    return changed
