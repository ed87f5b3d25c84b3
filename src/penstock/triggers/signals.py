"""Signals: programs tell that something happened, and triggers that wait for it fire."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from penstock.core.clock import Clock, SystemClock
from penstock.core.digests import digest_bytes
from penstock.core.errors import Busy, InvalidValue, NotAllowed, NotFound
from penstock.core.events import Event
from penstock.core.words import meant
from penstock.deployments.environments import Environments
from penstock.lineage.ports import Between, Blobs, Reader, Store
from penstock.revisions.config import SignalCondition
from penstock.runs.secrets import StepSecrets
from penstock.triggers.notices import PLACE
from penstock.triggers.types import Signal, TriggerState

LARGEST = 64 << 10
"""Bytes of what is told with a signal: it is kept for ever."""
MOST = 10_000
"""Signals of a name that may wait at a time."""
_MACHINE = SystemClock()
Authentic = Callable[[Mapping[str, str], bytes, str, float], bool]


class Signals:
    """Takes signals that a trigger of a deployed release waits for."""

    def __init__(
        self,
        store: Store,
        blobs: Blobs,
        secrets: StepSecrets,
        clock: Clock,
        *,
        authentic: Authentic,
        machine: Clock = _MACHINE,
    ) -> None:
        """`authentic` tells whether a body was signed with a secret at a time of the `machine`."""
        self._store = store
        self._environments = Environments(blobs)
        self._secrets = secrets
        self._clock = clock
        self._authentic = authentic
        self._machine = machine

    def take(self, project: str, name: str, data: Mapping[str, Any], actor: str, delivery: str = "") -> bool:
        """Keep a signal; whether it was new: one that was delivered before counts once.

        Raises NotFound where no trigger waits for it, InvalidValue for too much data, and Busy while as many
        wait as may.
        """
        self._declared(project, name)
        size = len(msgspec.json.encode(data))
        if size > LARGEST:
            raise InvalidValue(
                what="Too much is told with this signal", expected=f"at most {LARGEST} bytes", found=str(size)
            )
        with self._store.begin() as tx:
            number = delivery or f"penstock-{tx.mint(Signal)}"
            key = f"{project}:{name}:{number}"
            if tx.count(Signal, id=key):
                return False
            if _waiting(tx, project, name) >= MOST:
                raise Busy(
                    what=f"{MOST:,} signals {name} wait, and no run has used one of them",
                    fix="penstock triggers explain tells what holds it back.",
                )
            now = self._clock.now()
            [event] = tx.publish(
                Event(
                    kind="trigger.signalled",
                    subject=f"signal:{name}",
                    time=now,
                    actor=actor,
                    project=project,
                    evidence={"delivery": number, "data": dict(data)},
                )
            )
            tx.add(Signal(id=key, project=project, name=name, time=now, event=event))
        return True

    def receive(self, project: str, name: str, headers: Mapping[str, str], body: bytes) -> bool:
        """Take a signed webhook with its body as it came, a JSON object or nothing; see `take`.

        Raises NotAllowed for one that is not signed with the secret that the trigger names.
        """
        named = tuple({each.secret for each in self._declared(project, name) if each.secret})
        secrets = self._secrets.values(project, PLACE, named)
        moment = self._machine.now().timestamp()
        if not any(self._authentic(headers, body, secret, moment) for secret in secrets.values()):
            raise NotAllowed(
                what=f"The signal {name} is not signed with its secret.",
                fix="Name it: { signal = "
                f'"{name}", secret = "NAME" }}, and keep it with penstock secrets set NAME --in {PLACE}.',
            )
        try:
            data = msgspec.json.decode(body or b"{}", type=dict[str, Any])
        except msgspec.DecodeError as error:
            raise InvalidValue(expected="a JSON object, or no body", found=str(error)) from None
        delivery = headers.get("webhook-id") or headers.get("x-github-delivery") or digest_bytes(body)
        return self.take(project, name, data, "webhook", delivery)

    def _declared(self, project: str, name: str) -> list[SignalCondition]:
        with self._store.read() as reader:
            known = [
                condition
                for held in self._environments.held(reader)
                if held.release.project == project
                for trigger in held.config.triggers
                for condition in trigger.every
                if isinstance(condition, SignalCondition)
            ]
        found = [condition for condition in known if condition.name == name]
        if not found:
            names = sorted({condition.name for condition in known})
            raise NotFound(
                what=f"No trigger of {project} waits for a signal {name!r}.",
                fix=meant(name, names) or 'Deploy a release with a condition such as { signal = "landed" }.',
            )
        return found


def _waiting(reader: Reader, project: str, name: str) -> int:
    """How many signals of a name came after the last that a trigger used, and after the last pause.

    A trigger that waits for them sees all of these, so it is for it to make room.
    """
    states = reader.find(TriggerState, project=project)
    slots = [slot.split(":") for state in states for slot in state.used.values()]
    used = max((int(event) for kind, *_, of, event in slots if (kind, of) == ("signal", name)), default=0)
    since = max((state.since for state in states), default=None)
    return reader.count(Signal, project=project, name=name, event=Between(used + 1), time=Between(since))
