"""Holds: a person's word that nothing is deployed to an environment for now."""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from penstock.core.clock import Clock
from penstock.core.errors import Conflict, InvalidValue, NotFound
from penstock.core.events import Event
from penstock.deployments.environments import Environments
from penstock.deployments.types import Hold
from penstock.lineage.ports import Blobs, Reader, Store


class Holds:
    """Puts holds on environments and lifts them."""

    def __init__(self, store: Store, blobs: Blobs, clock: Clock) -> None:
        self._store = store
        self._environments = Environments(blobs)
        self._clock = clock

    def hold(self, project: str, environment: str, why: str, actor: str) -> Hold:
        """Let nothing be deployed there, forth or back, until the hold is lifted.

        Raises InvalidValue without a reason, NotFound for an environment that there is not, and Conflict
        where there is a hold already.
        """
        if not why.strip():
            raise InvalidValue(what="A hold needs a reason", fix="Say it with --why.")
        now = self._clock.now()
        with self._store.begin() as tx:
            self._environments.newest(tx, project).environment(environment)
            if found := hold_on(tx, project, environment):
                raise Conflict(
                    what=f"{environment} is {sentence(found)} already",
                    fix=f"Lift that first: penstock unhold {environment}.",
                )
            key = tx.mint(Hold)
            made = Hold(
                id=key, project=project, environment=environment, why=why.strip(), actor=actor, since=now
            )
            [event] = tx.publish(_event(made, "environment.held", actor, now))
            made = replace(made, event=event)
            tx.add(made)
        return made

    def unhold(self, project: str, environment: str, actor: str) -> Hold:
        """Lift the hold on an environment; what waited goes out with the next tick. Raises NotFound."""
        now = self._clock.now()
        with self._store.begin() as tx:
            found = hold_on(tx, project, environment)
            if found is None:
                raise NotFound(what=f"There is no hold on {environment} of {project}.")
            [event] = tx.publish(_event(found, "environment.released", actor, now))
            lifted = replace(found, lifted=now, event=event)
            tx.put(lifted)
        return lifted


def hold_on(reader: Reader, project: str, environment: str) -> Hold | None:
    """The hold that is on an environment."""
    found = reader.find(Hold, project=project, environment=environment, lifted=None)
    return found[0] if found else None


def sentence(hold: Hold) -> str:
    """A hold, to follow the name of its environment and "is"."""
    return f"held by {hold.actor}: {hold.why}"


def _event(hold: Hold, kind: str, actor: str, now: datetime) -> Event:
    return Event(
        kind=kind,
        subject=f"environment:{hold.environment}",
        time=now,
        actor=actor,
        project=hold.project,
        evidence={"environment": hold.environment, "why": hold.why},
        cause=hold.event or None,
    )
