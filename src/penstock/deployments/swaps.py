"""The prediction service led to what was decided, and each hot swap on record."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from threading import RLock

from penstock.core.errors import Unavailable
from penstock.core.events import Event
from penstock.deployments.decide import Died, Facts, fits, live
from penstock.deployments.gather import gather
from penstock.deployments.plans import Plans, served
from penstock.deployments.types import Swap
from penstock.lineage.ports import Blobs, Reader, Store
from penstock.models.types import Placement, Version
from penstock.serving.ports import PredictionService
from penstock.serving.types import Loaded, Plan, ServedModel

DEATHS = 3
"""How often the prediction service may fail while a version is tried before that version is refused."""


class Swaps:
    """Makes the prediction service serve the plan, and sees whether it does."""

    def __init__(
        self,
        store: Store,
        blobs: Blobs,
        service: PredictionService,
        plans: Plans,
        prepare: Callable[[Version], None],
        *,
        trusted: float,
    ) -> None:
        """For `trusted` seconds a service that was seen to follow its plan is not asked again."""
        self._store = store
        self._blobs = blobs
        self._service = service
        self._plans = plans
        self._prepare = prepare
        self._trusted = trusted
        self._applied: Plan | None = None
        self._followed = -math.inf
        self._trying: tuple[str, Version] | None = None
        self._deaths: Counter[tuple[str, str]] = Counter()
        self._conversation = RLock()  # one plan at a time is applied

    def try_out(
        self, environment: str, candidate: Version, champion: Version | None, gate: Sequence[str]
    ) -> Facts:
        """Load a candidate beside what is live, where it stays meanwhile, and gather the facts for its gate.
        Where the gate asks for infrastructure, only one that fits is loaded.

        A service that was up and fails while a candidate is tried may have died of it: after `DEATHS` such
        failures that is the fact which is gathered.

        May go on in a thread of its own while plans are followed. Raises Unavailable.
        """
        self._prepare(candidate)
        self._service.loaded()  # of a service that is down already no candidate is guilty
        place = (environment, candidate.id)
        probe = self._service.probe(served(candidate)) if "infrastructure" in gate else None
        if probe and not fits(probe):
            return Facts(recorded=candidate.metrics, infrastructure=probe)
        try:
            with self._conversation:
                self._trying = (environment, candidate)
                loaded = self._apply(self._desired())
            facts = gather(self._service, self._blobs, candidate, champion, loaded, gate, probe)
        except Unavailable as error:
            self._deaths[place] += 1
            if self._deaths[place] < DEATHS:
                raise
            facts = Facts(recorded=candidate.metrics, died=Died(times=self._deaths[place], last=str(error)))
        finally:
            with self._conversation:
                self._trying = None
        del self._deaths[place]
        return facts

    def follow(self, now: datetime) -> bool:
        """Apply the desired plan where it is not followed; record champions that are new.

        True if there was something to do. Raises Unavailable when the service does not answer
        or cannot serve a champion.
        """
        with self._conversation:
            plan = self._desired()
            changed = plan != self._applied
            if not changed and time.monotonic() < self._followed + self._trusted:
                return False
            self._followed = -math.inf  # whatever is found until it is
            loaded = self._apply(plan) if changed else self._service.loaded()
            if not changed and not all(answers for _, answers in live(plan, loaded)):
                loaded, changed = self._apply(plan), True
        seen = live(plan, loaded)
        swapped = [self._record(model, now) for model, answers in seen if answers]
        for model, answers in seen:
            if not answers:
                raise _not_served(model, loaded)
        self._followed = time.monotonic()
        return any(swapped) or changed

    def again(self) -> None:
        """Have the plan applied once more, although it is the one before."""
        with self._conversation:
            self._applied = None

    def _desired(self) -> Plan:
        with self._store.read() as reader:
            return self._plans.desired(reader, self._trying)

    def _apply(self, plan: Plan) -> Sequence[Loaded]:
        self._applied = None  # whatever comes of it until it is
        loaded = self._service.apply(plan)
        self._applied = plan
        return loaded

    def _record(self, model: ServedModel, now: datetime) -> bool:
        """Record that a champion was seen to answer for the first time since another did."""
        with self._store.read() as reader:
            if _last_seen(reader, model) == model.champion:
                return False
        with self._store.begin() as tx:
            before = _last_seen(tx, model)
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


def _last_seen(reader: Reader, model: ServedModel) -> int:
    found = reader.find(Swap, model=model.name, environment=model.environment, order="-event", limit=1)
    return found[0].after if found else 0


def _not_served(model: ServedModel, loaded: Sequence[Loaded]) -> Unavailable:
    place = (model.name, model.champion)
    errors = [seen.error for seen in loaded if (seen.model, seen.number) == place]
    return Unavailable(
        what=f"The prediction service does not serve the champion {model.name}@{model.champion}",
        found="; ".join(error.rstrip(".") for error in errors if error) or "nothing of it",
        fix="See the prediction service's log.",
    )
