"""Stories of versions that take over step by step: guards hold or fail, people step in, versions come."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from penstock.core.errors import Conflict, NotFound
from penstock.deployments.ports import Outcomes
from penstock.testing.contested import ROLLOUT, ROW, SERVING, Contested


@pytest.fixture
def world() -> Contested:
    return Contested()


def test_the_first_version_leads_at_once_and_the_second_challenges_it(world: Contested) -> None:
    assert world.roles() == ["champion", "challenger"]
    assert world.shares() == [10]
    [model] = world.service.plan.models
    assert (model.champion, [v.number for v in model.versions]) == (1, [1, 2])


def test_it_goes_on_when_time_is_over_and_guards_hold_on_enough_requests(world: Contested) -> None:
    world.later(30)
    assert world.shares() == [10], "nobody was answered"
    world.sees()
    assert world.shares() == [50]
    world.sees()
    assert world.shares() == [50], "its time is not over"
    world.later()
    assert world.shares() == [100]
    world.sees()
    world.later()
    assert (world.shares(), world.roles()) == ([], ["previous", "champion"])
    assert (world.rollout().status, world.rollout().share) == ("promoted", 100)
    assert world.told() == ["rollout.started", "rollout.stepped", "rollout.stepped", "rollout.promoted"]


def test_the_champion_that_comes_of_it_is_caused_by_every_step(world: Contested) -> None:
    for _ in range(3):
        world.sees()
        world.later()
    with world.store.read() as reader:
        event = reader.events(kind="model.live")[-1]
        kinds = []
        while event.cause:
            event = reader.events(after=event.cause - 1, limit=1)[0]
            kinds.append(event.kind)
    assert kinds[:5] == ["version.placed", "rollout.promoted", *["rollout.stepped"] * 2, "rollout.started"]
    assert "gate.passed" in kinds


@pytest.mark.parametrize(
    ("seen", "why"),
    [
        (
            {"requests": 5, "errors": 2, "why": "it broke"},
            "error_rate 0.1 is not <= 0.05 in 5 requests, 2 of",
        ),
        ({"p99": 51.0}, "p99 51 is not <= 50"),
        ({"scores": (0.99,) * 100}, "distance 0"),
    ],
)
def test_it_goes_back_by_itself_and_tells_why(world: Contested, seen: dict[str, Any], why: str) -> None:
    if "scores" in seen:
        world = Contested(SERVING.replace("distance <= 0.5", "distance <= 0.1"))
    world.sees(**seen)
    assert (world.shares(), world.roles()) == ([], ["champion", "reverted"])
    assert world.rollout().share == 0
    assert world.rollout().status == "reverted"
    assert why in world.rollout().why
    assert world.service.infer("delay", 0, ROW).version == 1
    world.later(1000)
    assert world.roles() == ["champion", "reverted"], "nobody asked for it again"


def test_it_goes_back_when_the_process_died_or_cannot_load_it(world: Contested) -> None:
    seen = world.service.observed()[0]
    world.service.seen[seen.id] = replace(seen, died=True)
    world.settle()
    assert "killed" in world.rollout().why
    other = Contested()
    [version] = [v for v in other.service.plan.models[0].versions if v.number == 2]
    other.service.broken[version.artifact] = "it is damaged"
    other.settle()
    assert other.rollout().why == "version 2 cannot be loaded: it is damaged"


def test_labels_are_not_waited_for_and_heard_when_they_come(world: Contested) -> None:
    world.sees()
    world.later()
    assert world.shares() == [50]
    truth = tuple(float(n % 2) for n in range(40))
    right, wrong = tuple(t / 2 + 0.2 for t in truth), tuple(0.7 - t / 2 for t in truth)
    world.labels.known[1, "champion"] = Outcomes(truth=truth, score=right, label=("False",) * 40)
    world.labels.known[2, "challenger"] = Outcomes(truth=truth, score=wrong, label=("False",) * 40)
    world.sees()
    assert "roc_auc 0 is not >= 0.9" in world.rollout().why
    assert world.roles() == ["champion", "reverted"]


def test_quality_that_is_a_mean_has_to_be_surely_worse_before_it_goes_back() -> None:
    world = Contested(SERVING.replace("roc_auc >= champion.roc_auc - 0.1", "brier <= champion.brier + 0.05"))

    def known(wrong: int, of: int) -> Outcomes:
        """So many wrong answers, evenly among the right ones."""
        score = tuple(0.0 if n * wrong % of < wrong else 1.0 for n in range(of))
        return Outcomes(truth=(1.0,) * of, score=score, label=("True",) * of)

    world.labels.known[1, "champion"] = known(3, 30)
    world.labels.known[2, "challenger"] = known(8, 30)
    world.sees()
    guard = world.rollouts.progress.show("1").guards[-1]
    assert guard.state == "holds"
    assert guard.why.endswith("by 30 labels, which chance may have done")
    world.labels.known[1, "champion"] = known(60, 600)
    world.labels.known[2, "challenger"] = known(240, 600)
    world.settle()
    assert "brier <= champion.brier + 0.05 surely does not hold" in world.rollout().why
    assert world.roles() == ["champion", "reverted"]


def test_a_pause_holds_it_where_it_is_but_it_still_goes_back(world: Contested) -> None:
    world.rollouts.progress.pause("delay", "test", "katherine")
    world.sees()
    world.later(60)
    assert world.shares() == [10]
    with pytest.raises(Conflict, match="paused already"):
        world.rollouts.progress.pause("delay", "test", "katherine")
    world.rollouts.progress.resume("delay", "test", "katherine")
    world.later(9)
    assert world.shares() == [10], "its step takes its whole time again"
    world.later(1)
    assert world.shares() == [50]
    world.rollouts.progress.pause("delay", "test", "katherine")
    world.sees(p99=60.0)
    assert world.rollout().status == "reverted"


def test_an_abort_a_rollback_and_a_promotion_end_it(world: Contested) -> None:
    world.rollouts.progress.abort("delay", "test", "katherine")
    assert (world.rollout().status, world.rollout().actor) == ("aborted", "katherine")
    with pytest.raises(NotFound, match="no rollout of delay under way"):
        world.rollouts.progress.abort("delay", "test", "katherine")
    other = Contested()
    assert other.rollouts.rollback("delay", "test", "katherine").number == 1
    assert (other.roles(), other.rollout().why) == (["champion", "reverted"], "rolled back by katherine")
    third = Contested()
    third.rollouts.promote("delay", 2, "test", "katherine")
    third.settle()
    assert (third.roles(), third.rollout().status) == (["previous", "champion"], "promoted")


def test_what_went_back_is_tried_again_when_somebody_asks(world: Contested) -> None:
    world.sees(p99=60.0)
    assert world.rollouts.promote("delay", 2, "test", "katherine").role == "candidate"
    world.settle()
    assert (world.roles(), world.shares()) == (["champion", "challenger"], [10])
    assert world.rollout("2").status == "running"


def test_newer_versions_wait_and_the_newest_of_them_is_next(world: Contested) -> None:
    for _ in range(3):
        world.train()
        world.settle()
    assert world.roles() == ["champion", "challenger"], "one rollout at a time"
    world.rollouts.progress.abort("delay", "test", "katherine")
    world.settle()
    assert sorted(world.roles()) == ["challenger", "champion", "reverted", "superseded", "superseded"]
    assert world.rollout("2").number == 5


def test_a_control_plane_that_begins_again_goes_on(world: Contested) -> None:
    world.sees()
    world.start()
    world.later()
    assert world.shares() == [50]
    world.sees()
    world.start()
    world.later()
    assert (world.shares(), world.told().count("rollout.stepped")) == ([100], 2)


def test_blue_green_is_one_cut_and_goes_back_at_once() -> None:
    whole = 'rollout = { blue_green = true, every = "1h", guard = ["error_rate <= 0.01"], requests = 20 }\n'
    config = SERVING.replace(ROLLOUT, "\n" + whole)
    world = Contested(config)
    assert world.shares() == [100]
    assert world.service.infer("delay", 0, ROW).variant == "challenger"
    world.sees(errors=1)
    assert world.service.infer("delay", 0, ROW).version == 1
    other = Contested(config)
    other.sees()
    other.later(60)
    assert other.roles() == ["previous", "champion"]


def test_a_key_that_the_model_does_not_take_is_refused_at_the_gate() -> None:
    world = Contested(SERVING.replace("requests = 20", 'requests = 20, key = "tail"'))
    assert world.roles() == ["rejected", "rejected"]


def test_what_is_shown_are_shares_numbers_and_history(world: Contested) -> None:
    world.sees()
    shown = world.rollouts.progress.show("1")
    assert [(row["variant"], row["share"], row["requests"]) for row in shown.shares] == [
        ("champion", 90, 40),
        ("challenger", 10, 40),
    ]
    assert [guard.state for guard in shown.guards] == ["holds", "holds", "holds", "waits"]
    assert shown.waits == "this step takes until 2013-03-01 00:10:00 UTC"
    assert [line["what"] for line in shown.history] == ["started"]
