"""Stories of tests in production: versions tried beside a champion, by people who may not change it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from penstock.core.errors import Conflict, InvalidValue, NotAllowed, NotFound
from penstock.deployments.ports import Outcomes
from penstock.deployments.production import Wish
from penstock.deployments.types import ProductionTest
from penstock.testing.contested import ROLLOUT, SERVING, Contested

WISH = Wish(model="delay", number=2, environment="test")


@pytest.fixture
def world() -> Contested:
    """The champion, and a version from elsewhere that nobody has judged."""
    world = Contested(versions=1)
    recorded = {"inputs": {"wind": [1.0], "carrier": ["UA"]}, "score": [0.25], "label": ["False"]}
    world.project.version(environment="development", examples=recorded)
    return world


def start(world: Contested, **wish: Any) -> ProductionTest:
    started = world.rollouts.tests.start(replace(WISH, **wish), "ada")
    world.settle()
    return known(world, started.id)


def known(world: Contested, key: str = "1") -> ProductionTest:
    with world.store.read() as reader:
        return reader.get(ProductionTest, key)


def challengers(world: Contested) -> list[tuple[int, int, str]]:
    [model] = world.service.plan.models
    return [(each.number, each.share, each.variant) for each in model.challengers]


def outcomes(right: int, wrong: int, prefix: str = "p") -> Outcomes:
    """So many good answers and bad ones, in turn."""
    scores = ([0.9] * right + [0.1] * wrong) * 1
    ids = tuple(f"{prefix}{n}" for n in range(len(scores)))
    order = sorted(range(len(scores)), key=lambda n: n * 7919 % len(scores))
    return Outcomes(
        ids=ids, truth=(1.0,) * len(ids), score=tuple(scores[n] for n in order), label=("True",) * len(ids)
    )


def test_a_version_goes_before_the_gate_first_and_then_takes_its_share(world: Contested) -> None:
    assert world.rollouts.tests.start(replace(WISH, share=20), "ada").status == "waiting"
    world.settle()
    assert known(world).status == "running"
    assert challengers(world) == [(2, 20, "challenger")]
    assert world.roles() == ["champion"], "it has no role"
    world.rollouts.tests.stop("1", "ada")
    world.settle()
    assert challengers(world) == []
    assert known(world).why == "stopped by ada"
    with pytest.raises(Conflict, match="has ended"):
        world.rollouts.tests.stop("1", "ada")


def test_a_version_that_does_not_pass_is_never_asked(world: Contested) -> None:
    world.project.version(auc=0.5, environment="development")
    assert start(world, number=3).status == "ended"
    assert "roc_auc 0.5 is not >= 0.6" in known(world).why
    with pytest.raises(NotAllowed, match="did not pass the gate"):
        start(world, number=3)


def test_labels_tell_the_two_apart_and_the_champion_stays(world: Contested) -> None:
    start(world, share=50, metric="accuracy")
    world.labels.known[1, "champion"] = outcomes(350, 150)
    world.labels.known[2, "challenger"] = outcomes(340, 160)
    world.settle()
    assert known(world).status == "running"
    assert world.rollouts.tests.show("1").difference is not None
    world.labels.known[2, "challenger"] = outcomes(509, 1)
    world.settle()
    assert (known(world).status, known(world).verdict) == ("ended", "better")
    assert "version 2 is better: its 1 - accuracy less the champion's is -0.298" in known(world).why
    assert (challengers(world), world.roles()) == ([], ["champion"])


def test_corrected_labels_are_looked_at_anew(world: Contested) -> None:
    start(world, share=50, metric="accuracy")
    world.labels.known[1, "champion"] = outcomes(350, 150)
    world.labels.known[2, "challenger"] = outcomes(340, 170)
    world.settle()
    assert known(world).status == "running"
    world.labels.known[2, "challenger"] = outcomes(509, 1)
    world.labels.newest = world.clock.now()
    world.settle()
    assert (known(world).status, known(world).verdict) == ("ended", "better")


def test_a_shadow_is_compared_answer_by_answer(world: Contested) -> None:
    start(world)
    assert challengers(world) == [(2, 0, "shadow")]
    world.labels.known[1, "champion"] = outcomes(350, 150)
    world.labels.known[2, "shadow"] = outcomes(200, 300)
    world.settle()
    assert (known(world).status, known(world).verdict, known(world).metric) == ("ended", "worse", "brier")


def test_it_ends_by_its_time_its_guard_another_champion_or_a_rollout(world: Contested) -> None:
    start(world, until=world.clock.now() + timedelta(days=1))
    world.later(24 * 60)
    assert known(world).why == "its time was over: no labels have come"
    start(world, share=20)
    world.sees(errors=9, why="it broke")
    assert "error_rate" in known(world, "2").why
    start(world, share=20)
    world.train()
    world.settle()
    assert known(world, "3").why == "a rollout of version 3 began"
    assert [share for _, share, _ in challengers(world)] == [10]
    start(world)
    assert len(challengers(world)) == 2, "a shadow takes no share"
    world.rollouts.promote("delay", 3, "test", "katherine")
    world.settle()
    assert known(world, "4").why == "the champion is version 3 now"


@pytest.mark.parametrize(
    ("wish", "error", "said"),
    [
        ({"number": 1}, InvalidValue, "a version beside the champion"),
        ({"number": 9}, NotFound, "delay@9"),
        ({"environment": "staging"}, NotFound, "staging has no champion"),
        ({"share": 60}, InvalidValue, "a share from 1 to 50 percent"),
        ({"metric": "roc_auc"}, InvalidValue, "roc_auc, which is no mean over rows"),
        ({"metric": "rmse"}, InvalidValue, "one of accuracy, brier, log_loss"),
    ],
)
def test_what_cannot_be_tried_is_refused(
    world: Contested, wish: dict[str, Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        start(world, **wish)
    with world.store.read() as reader:
        assert reader.count(ProductionTest) == 0


def test_there_is_one_test_at_a_time_and_none_shares_with_a_rollout(world: Contested) -> None:
    start(world)
    with pytest.raises(Conflict, match="penstock tests stop 1"):
        start(world, share=5)
    other = Contested()
    with pytest.raises(Conflict, match="Rollout 1 of delay@2 shares the traffic"):
        start(other, share=5)


def test_a_model_without_a_rollout_is_held_to_few_errors() -> None:
    world = Contested(SERVING.replace(ROLLOUT, ""), versions=2)
    assert world.roles() == ["previous", "champion"]
    start(world, number=1, share=10)
    world.sees(errors=1)
    assert known(world).status == "running"
    world.sees(requests=100, errors=6)
    assert "error_rate 0.06 is not <= 0.05" in known(world).why
