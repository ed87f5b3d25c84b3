"""Secrets of environments: what steps are given by name, and nobody is told."""

from __future__ import annotations

from datetime import datetime

import msgspec
from msgspec.structs import replace

from penstock.core.clock import Clock
from penstock.core.errors import InvalidValue, NotFound
from penstock.core.events import Event
from penstock.lineage.ports import Reader, Store
from penstock.lineage.secrets import Secrets
from penstock.pipelines.options import check_secret
from penstock.pipelines.types import Graph

SHORTEST, LONGEST = 4, 64 << 10
"""Characters of a secret: a shorter one could not be found in a log without hiding half of it."""


class StepSecret(msgspec.Struct, frozen=True, kw_only=True):
    """That an environment of a project has a secret. `id` is `project:environment:name`.

    What it is lies sealed as a `lineage.types.Secret`. It is there no more once `removed`.
    """

    id: str
    project: str
    environment: str
    name: str
    set: datetime
    actor: str
    removed: datetime | None = None
    event: int = 0


class StepSecrets:
    """Keeps the secrets of environments, and opens them for the steps that name them."""

    def __init__(self, store: Store, secrets: Secrets, clock: Clock) -> None:
        self._store = store
        self._secrets = secrets
        self._clock = clock

    def set(self, project: str, environment: str, name: str, value: str, actor: str) -> StepSecret:
        """Keep a secret, in place of an earlier one; steps that start from now on have it.

        Raises InvalidValue for a name that no step could have, and for an impossible value.
        """
        check_secret(name)
        if not SHORTEST <= len(value) <= LONGEST or "\0" in value:
            raise InvalidValue(
                what=f"This cannot be the value of {name}",
                expected=f"{SHORTEST} to {LONGEST} characters, none of them NUL",
                found=f"{len(value)} characters",
            )
        key = f"{project}:{environment}:{name}"
        made = StepSecret(
            id=key,
            project=project,
            environment=environment,
            name=name,
            set=self._clock.now(),
            actor=actor,
        )
        with self._store.begin() as tx:
            known = tx.find(StepSecret, id=key)
            [event] = tx.publish(self._event(made, "secret.set", actor, known[0].event if known else None))
            made = replace(made, event=event)
            if known:
                tx.put(made)
            else:
                tx.add(made)
            self._secrets.keep(tx, _sealed_as(made), value)
        return made

    def remove(self, project: str, environment: str, name: str, actor: str) -> StepSecret:
        """Forget a secret. Raises NotFound."""
        with self._store.begin() as tx:
            known = _there(tx, project, environment).get(name)
            if known is None:
                raise NotFound(
                    what=f"{environment} of {project} has no secret {name}.",
                    fix=f"penstock secrets --in {environment} lists them.",
                )
            [event] = tx.publish(self._event(known, "secret.removed", actor, known.event))
            gone = replace(known, removed=self._clock.now(), event=event)
            tx.put(gone)
            self._secrets.keep(tx, _sealed_as(gone), "")
        return gone

    def values(self, project: str, environment: str, names: tuple[str, ...]) -> dict[str, str]:
        """The secrets of these names. Raises NotFound when one is missing, and Corrupt."""
        if not names:
            return {}
        with self._store.read() as reader:
            found = _there(reader, project, environment)
            _require(project, environment, names, found)
            return {name: self._secrets.read(reader, _sealed_as(found[name])) for name in names}

    def every(self, project: str, environment: str) -> dict[str, str]:
        """All secrets of an environment, by name. Raises Corrupt."""
        with self._store.read() as reader:
            found = _there(reader, project, environment)
            return {name: self._secrets.read(reader, _sealed_as(each)) for name, each in found.items()}

    def _event(self, secret: StepSecret, kind: str, actor: str, cause: int | None) -> Event:
        return Event(
            kind=kind,
            subject=f"environment:{secret.environment}",
            time=self._clock.now(),
            actor=actor,
            project=secret.project,
            evidence={"name": secret.name},
            cause=cause,
        )


def require_secrets(reader: Reader, project: str, environment: str, graph: Graph) -> None:
    """Raises NotFound, with the command that helps, unless the environment has all that the steps name."""
    names = tuple(dict.fromkeys(name for node in graph.nodes for name in node.options.secrets))
    if names:
        _require(project, environment, names, _there(reader, project, environment))


def _require(project: str, environment: str, names: tuple[str, ...], found: dict[str, StepSecret]) -> None:
    if missing := [name for name in names if name not in found]:
        secrets = "secrets" if len(missing) > 1 else "secret"
        raise NotFound(
            what=f"{environment} of {project} lacks the {secrets} {', '.join(missing)}",
            fix=f"Set it with: penstock secrets set {missing[0]} --in {environment} --project {project}.",
        )


def _there(reader: Reader, project: str, environment: str) -> dict[str, StepSecret]:
    found = reader.find(StepSecret, project=project, environment=environment, removed=None)
    return {secret.name: secret for secret in found}


def _sealed_as(secret: StepSecret) -> str:
    return f"step:{secret.id}"
