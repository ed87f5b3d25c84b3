"""In any order of versions, numbers, people, crashes and clocks: one champion, whole shares, a way back."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from msgspec.structs import replace

from penstock.core.errors import Conflict, InvalidValue, NotAllowed, NotFound, Unavailable
from penstock.deployments.production import Wish
from penstock.deployments.types import ProductionTest, Rollout
from penstock.lineage.ports import Store
from penstock.models.types import Placement
from penstock.testing.contested import ROW, Contested
from penstock.testing.fakes import MemoryStore

ACTIVE = ("running", "paused")
SEEN: list[dict[str, Any]] = [
    *[{}] * 6,
    {"requests": 5},
    {"errors": 9, "why": "it broke"},
    {"p99": 70.0},
    {"died": True},
]
REFUSALS = (Conflict, InvalidValue, NotAllowed, NotFound, Unavailable)


class OnOrBack(RuleBasedStateMachine):
    """`test` serves, and versions take over in three steps."""

    def __init__(self) -> None:
        super().__init__()
        self.world = Contested(versions=1, store=self.empty())
        self.before: dict[str, Rollout] = {}

    def empty(self) -> Store:
        """A store in which nothing is."""
        return MemoryStore()

    @rule()
    def control_plane_crashes(self) -> None:
        self.world.start()

    @rule()
    def train(self) -> None:
        self.world.train()

    @rule(minutes=st.sampled_from([0, 1, 10, 600, -5]))
    def time_passes(self, minutes: int) -> None:
        self.world.clock.advance(timedelta(minutes=minutes))
        self.tick()

    @rule()
    def tick(self) -> None:
        with suppress(Unavailable):
            self.world.rollouts.tick(self.world.clock.now())

    @rule(what=st.sampled_from(["goes down", "comes back", "comes back"]))
    def service_has_its_day(self, what: str) -> None:
        self.world.service.down = what == "goes down"

    @rule(seen=st.sampled_from(SEEN))
    def service_sees(self, seen: dict[str, Any]) -> None:
        with suppress(Unavailable):
            for contest in self.world.service.observed():
                tally = {name: value for name, value in seen.items() if name != "died"}
                self.world.service.seen[contest.id] = replace(
                    contest,
                    champion=replace(contest.champion, requests=50),
                    challenger=replace(contest.challenger, **({"requests": 40} | tally)),
                    died=seen.get("died", False),
                )

    @rule(verb=st.sampled_from(["pause", "resume", "abort", "rollback"]))
    def operator_steps_in(self, verb: str) -> None:
        does = self.world.rollouts if verb == "rollback" else self.world.rollouts.progress
        with suppress(*REFUSALS):
            getattr(does, verb)("delay", "test", "katherine")

    @rule(number=st.integers(1, 6))
    def operator_promotes(self, number: int) -> None:
        with suppress(*REFUSALS):
            self.world.rollouts.promote("delay", number, "test", "katherine")

    @rule(number=st.integers(1, 6), share=st.sampled_from([0, 20]))
    def expert_starts_a_test(self, number: int, share: int) -> None:
        wish = Wish(model="delay", number=number, environment="test", share=share)
        with suppress(*REFUSALS):
            self.world.rollouts.tests.start(wish, "ada")

    @invariant()
    def there_is_one_champion_and_at_most_one_rollout(self) -> None:
        with self.world.store.read() as reader:
            roles = [p.role for p in reader.find(Placement)]
            active = reader.find(Rollout, status=ACTIVE)
            tests = reader.find(ProductionTest, status=("waiting", "running"))
        assert roles.count("champion") == 1
        assert roles.count("challenger") == len(active) <= 1
        assert len(tests) <= 1
        assert not (active and [test for test in tests if test.share])

    @invariant()
    def shares_sum_to_a_hundred_and_who_answers_is_resident(self) -> None:
        with self.world.store.read() as reader:
            [model] = self.world.rollouts.desired_plan(reader).models
            rollouts = reader.find(Rollout, status=ACTIVE)
        shares = [each.share for each in model.challengers]
        assert 0 <= sum(shares) <= 100
        resident = {version.number for version in model.versions if version.resident}
        assert {model.champion, *(each.number for each in model.challengers)} <= resident
        assert all(rollout.champion == model.champion for rollout in rollouts)

    @invariant()
    def rollouts_go_one_step_at_a_time_and_what_has_ended_stays_so(self) -> None:
        with self.world.store.read() as reader:
            now = {rollout.id: rollout for rollout in reader.find(Rollout)}
        for key, before in self.before.items():
            assert now[key] == before or not before.ended
            assert now[key].step in {before.step, before.step + 1}
        self.before = now

    @invariant()
    def somebody_proven_answers(self) -> None:
        with suppress(Unavailable):
            assert self.world.service.infer("delay", 0, ROW, log=False).version

    def teardown(self) -> None:
        """An abort, or a rollback, brings everything back to the champion; then it settles."""
        self.world.service.down = False
        with suppress(*REFUSALS):
            self.world.rollouts.rollback("delay", "test", "katherine")
        with self.world.store.read() as reader:
            assert not reader.count(Rollout, status=ACTIVE)
        self.world.settle()


class TestOnOrBack(OnOrBack.TestCase):  # type: ignore[misc,name-defined]
    settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


def test_on_postgresql_as_well(on_postgres: Callable[..., None]) -> None:
    on_postgres(OnOrBack, examples=3, steps=30)
