"""In any order of versions, failures, rollbacks and crashes, one proven version answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from penstock.core.errors import Conflict, NotAllowed, NotFound, Unavailable
from penstock.deployments.releases import Releases
from penstock.deployments.rollouts import Rollouts
from penstock.deployments.types import GateReport, Swap
from penstock.lineage.ports import Store
from penstock.models.service import Models
from penstock.models.types import Placement, RoleChange
from penstock.serving.types import Plan
from penstock.testing.delivery import CONFIG, Delivered
from penstock.testing.fakes import FixedClock, MemoryBlobs, MemoryStore
from penstock.testing.prediction import FakeLabels, FakePredictionService

CONFIG_ON_PUSH = CONFIG.replace('branch = "dev" }', 'branch = "dev" }\nserve = true')
ROW = {"wind": [1.0], "carrier": ["UA"]}


class Constant:
    """A model that always answers the same."""

    def predict(
        self, columns: Mapping[str, Sequence[Any]]
    ) -> tuple[list[float], list[str], list[list[float]]]:
        n = len(columns["wind"])
        return [0.25] * n, ["False"] * n, [[0.75, 0.25]] * n


class OneChampion(RuleBasedStateMachine):
    """`test` serves. A version passes when its metric is good enough and it answers as recorded."""

    def __init__(self) -> None:
        super().__init__()
        self.store, self.blobs = self.empty(), MemoryBlobs()
        self.clock = FixedClock(datetime(2013, 3, 1, tzinfo=UTC))
        self.service = FakePredictionService(lambda _version: Constant())
        self.labels = FakeLabels()
        self.models = Models(self.store, self.blobs, self.clock, registers=lambda _project, _where: True)
        project = Delivered(self.store, self.blobs, self.clock)
        project.release("c1", CONFIG_ON_PUSH)
        project.move("dev", "c1")
        Releases(self.store, self.blobs, self.clock).tick(self.clock.now())
        self.project = project
        self.control_plane_crashes()

    def empty(self) -> Store:
        """A store in which nothing is."""
        return MemoryStore()

    @rule()
    def control_plane_crashes(self) -> None:
        self.rollouts = Rollouts(
            self.store, self.blobs, self.service, self.models, self.clock, labelled=self.labels
        )

    @rule(
        kind=st.sampled_from(["good"] * 5 + ["poor", "forgetful", "broken", "from elsewhere"]),
        judged=st.booleans(),
    )
    def train(self, kind: str, judged: bool) -> None:
        recorded = 0.75 if kind == "forgetful" else 0.25
        version = self.project.version(
            auc=0.5 if kind == "poor" else 0.7,
            environment="development" if kind == "from elsewhere" else "test",
            examples={"inputs": ROW, "score": [recorded], "label": [str(recorded > 0.5)]},
        )
        if kind == "broken":
            self.service.broken[version.artifact] = "damaged"
        if judged:
            self.tick()

    @rule()
    def tick(self) -> None:
        with suppress(Unavailable):
            self.rollouts.tick(self.clock.now())

    @rule(what=st.sampled_from(["goes down", "comes back", "comes back", "loses its plan"]))
    def service_has_its_day(self, what: str) -> None:
        self.service.down = what == "goes down"
        if what == "loses its plan":
            self.service.apply(Plan(clock=None, models=()))

    @rule(number=st.integers(0, 4))
    def operator_decides(self, number: int) -> None:
        with suppress(Conflict, NotFound, NotAllowed):
            if number:
                self.rollouts.promote("delay", number, "test", "katherine")
            else:
                self.rollouts.rollback("delay", "test", "katherine")

    def roles(self) -> dict[int, str]:
        with self.store.read() as reader:
            return {p.number: p.role for p in reader.find(Placement)}

    @invariant()
    def there_is_one_champion_as_soon_as_there_was_one(self) -> None:
        with self.store.read() as reader:
            crowned = reader.count(RoleChange, role="champion")
        roles = list(self.roles().values())
        assert roles.count("champion") == (1 if crowned else 0)
        assert roles.count("previous") <= 1

    @invariant()
    def who_ever_led_has_passed_the_gate(self) -> None:
        with self.store.read() as reader:
            led = {change.number for change in reader.find(RoleChange, role="champion")}
            passed = {report.number for report in reader.find(GateReport, outcome="passed")}
            failed = {report.number for report in reader.find(GateReport, outcome="failed")}
        assert led == passed
        assert {n for n, role in self.roles().items() if role == "rejected"} == failed

    @invariant()
    def the_plan_serves_the_champion_and_nothing_unproven(self) -> None:
        with self.store.read() as reader:
            plan = self.rollouts.desired_plan(reader)
        roles = self.roles()
        served = {version.number for model in plan.models for version in model.versions}
        assert served == {n for n, role in roles.items() if role in {"champion", "previous", "retired"}}
        assert [model.champion for model in plan.models] == [n for n in roles if roles[n] == "champion"]

    @invariant()
    def nobody_but_a_proven_version_answers(self) -> None:
        try:
            answered = self.service.infer("delay", 0, ROW, log=False).version
        except (NotFound, Unavailable):
            return
        with self.store.read() as reader:
            assert reader.find(GateReport, number=answered)[0].outcome == "passed"

    @invariant()
    def swaps_form_a_chain(self) -> None:
        with self.store.read() as reader:
            swaps = reader.find(Swap)
        for before, after in zip([None, *swaps], swaps, strict=False):
            assert after.before == (before.after if before else 0)
            assert after.before != after.after

    def teardown(self) -> None:
        """Left alone with a service that is up, every version is judged and the champion answers."""
        self.service.down = False
        for _ in range(30):
            if not self.rollouts.tick(self.clock.now()):
                break
        roles = self.roles()
        assert "candidate" not in roles.values()
        champions = [number for number, role in roles.items() if role == "champion"]
        with self.store.read() as reader:
            assert [swap.after for swap in reader.find(Swap)][-1:] == champions
        if champions:
            assert self.service.infer("delay", 0, ROW).version == champions[0]


class TestOneChampion(OneChampion.TestCase):  # type: ignore[misc,name-defined]
    settings = settings(max_examples=100, stateful_step_count=30, deadline=None)


def test_on_postgresql_as_well(on_postgres: Callable[..., None]) -> None:
    on_postgres(OneChampion, examples=3, steps=30)
