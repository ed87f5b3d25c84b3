"""A champion and versions that contest it, beside a prediction service in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec.structs import replace

from penstock.deployments.releases import Releases
from penstock.deployments.rollouts import Rollouts
from penstock.deployments.types import Rollout
from penstock.lineage.ports import Store
from penstock.models.service import Models
from penstock.models.types import Placement, Version
from penstock.serving.types import Tally
from penstock.testing.delivery import CONFIG, Delivered
from penstock.testing.fakes import FixedClock, MemoryBlobs, MemoryStore
from penstock.testing.prediction import FakeLabels, FakePredictionService

ROLLOUT = """
rollout = { canary = [10, 50, 100], every = "10m", requests = 20, guard = [
  "error_rate <= 0.05", "p99 <= 50ms", "distance <= 0.5", "roc_auc >= champion.roc_auc - 0.1",
] }
"""
SERVING = CONFIG.replace('branch = "dev" }', 'branch = "dev" }\nserve = true') + ROLLOUT
ROW = {"wind": [1.0], "carrier": ["UA"]}
GOOD = Tally(number=0, requests=40, p50=1.0, p95=2.0, p99=3.0, max=4.0, scores=(0.1, 0.5, 0.9) * 20)


class Constant:
    """A model that always answers the same."""

    def predict(
        self, columns: Mapping[str, Sequence[Any]]
    ) -> tuple[list[float], list[str], list[list[float]]]:
        """See `Runtime.predict`."""
        n = len(columns["wind"])
        return [0.25] * n, ["False"] * n, [[0.75, 0.25]] * n


class Contested:
    """A release in `test`, which serves; the first of `versions` is champion, the second its challenger."""

    def __init__(self, config: str = SERVING, *, versions: int = 2, store: Store | None = None) -> None:
        self.store = store or MemoryStore()
        self.blobs, self.labels = MemoryBlobs(), FakeLabels()
        self.clock = FixedClock(datetime(2013, 3, 1, tzinfo=UTC))
        self.service = FakePredictionService(lambda _version: Constant())
        self.models = Models(self.store, self.blobs, self.clock, registers=lambda _project, _where: True)
        self.project = Delivered(self.store, self.blobs, self.clock)
        self.project.release("c1", config)
        self.project.move("dev", "c1")
        Releases(self.store, self.blobs, self.clock).tick(self.clock.now())
        self.start()
        for _ in range(versions):
            self.train()
            self.settle()

    def start(self) -> None:
        """A control plane begins, with nothing in its memory."""
        self.rollouts = Rollouts(
            self.store, self.blobs, self.service, self.models, self.clock, labelled=self.labels
        )

    def train(self) -> Version:
        """The next version enters the registry."""
        recorded = {"inputs": ROW, "score": [0.25], "label": ["False"]}
        return self.project.version(environment="test", examples=recorded)

    def settle(self) -> None:
        """Tick until nothing is left to do."""
        for _ in range(10):
            if not self.rollouts.tick(self.clock.now()):
                return
        raise AssertionError("it never settles")

    def later(self, minutes: int = 10) -> None:
        """Time passes, and what is due is done."""
        self.clock.advance(timedelta(minutes=minutes))
        self.settle()

    def sees(self, **challenger: Any) -> None:
        """What the service has seen of the challenger at its present share; the champion does well."""
        seen = self.service.observed()[0]
        self.service.seen[seen.id] = replace(
            seen,
            champion=replace(GOOD, number=seen.champion.number),
            challenger=replace(GOOD, number=seen.challenger.number, **challenger),
        )
        self.settle()

    def shares(self) -> list[int]:
        """Of each challenger in the plan."""
        return [each.share for model in self.service.plan.models for each in model.challengers]

    def roles(self) -> list[str]:
        """Of every version that has one."""
        with self.store.read() as reader:
            return [p.role for p in reader.find(Placement)]

    def rollout(self, key: str = "1") -> Rollout:
        """A rollout by its number."""
        with self.store.read() as reader:
            return reader.get(Rollout, key)

    def told(self) -> list[str]:
        """The events of rollouts."""
        with self.store.read() as reader:
            return [event.kind for event in reader.events() if event.kind.startswith("rollout.")]
