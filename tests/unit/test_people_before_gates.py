"""People before a gate: a version waits to be signed, and what it failed may be waived for a while."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from penstock.core.errors import Conflict, InvalidValue, NotAllowed, NotFound
from penstock.deployments.signing import Signing
from tests.unit.test_rollouts import CONFIG_ON_PUSH, World, good, poor

WEEK = timedelta(days=7)


class Signed(World):
    """A world whose gate asks for one person, or more."""

    def __init__(self, asks: str = "sign_off") -> None:
        super().__init__(CONFIG_ON_PUSH.replace('"contract"]', f'"contract", "{asks}"]'))
        self.signing = Signing(self.store, self.models, self.clock)

    def sign(self, number: int, actor: str, why: str = "looked at its slices") -> Any:
        return self.signing.sign(f"delay@{number}", "", why=why, actor=actor)

    def waive(self, number: int, check: str, **given: Any) -> Any:
        given = {"span": WEEK, "why": "known to be noise", "actor": "katherine"} | given
        return self.signing.waive(f"delay@{number}", "", check, **given)


def test_a_version_that_lacks_only_people_waits_and_goes_live_when_it_is_signed() -> None:
    world = Signed()
    version = world.train(author="Ada <ada@shop.example>")
    world.settle()
    assert world.report(1).outcome == "waiting"
    assert "0 of 1 people have signed it; penstock models sign delay@1" in world.verdict(1, "sign_off").why
    assert not world.roles()
    with pytest.raises(NotAllowed, match=r"ada wrote the commit.*nobody signs their own work"):
        world.sign(1, "ada")
    with pytest.raises(InvalidValue, match="needs a reason"):
        world.sign(1, "grace", " ")
    signed = world.sign(1, "grace")
    assert signed.artifact == version.artifact
    assert world.sign(1, "grace") == signed, "once is enough"
    world.settle()
    assert (world.report(1).outcome, world.roles(), world.answering()) == ("passed", ["champion"], 1)
    assert world.verdict(1, "sign_off").why == "signed by grace"


def test_who_proposes_a_version_that_waits_has_its_gate_look_again() -> None:
    world = Signed()
    world.train()
    world.settle()
    looked = world.report(1).event
    world.rollouts.promote("delay", 1, "production", "katherine")
    world.settle()
    assert world.report(1).event > looked
    assert world.report(1).outcome == "waiting"
    assert not world.tick()


def test_two_people_are_two_people() -> None:
    world = Signed("sign_off: 2")
    world.train()
    world.settle()
    world.sign(1, "grace")
    world.settle()
    assert world.report(1).outcome == "waiting"
    assert world.verdict(1, "sign_off").why.startswith("1 of 2 people")
    world.sign(1, "katherine")
    world.settle()
    assert world.roles() == ["champion"]


def test_one_that_waits_for_people_stands_in_nobody_s_way_and_nobody_signs_what_failed() -> None:
    world = Signed()
    world.train()
    world.settle()
    world.train()
    world.settle()
    world.sign(2, "grace")
    world.settle()
    assert world.answering() == 2
    world.train(poor, auc=0.5)
    world.settle()
    assert world.report(3).outcome == "failed"
    world.sign(3, "grace")
    world.settle()
    assert world.report(3).outcome == "failed"
    assert world.answering() == 2


def test_a_waiver_lets_a_version_through_that_failed_one_check_and_says_so() -> None:
    world = World()
    world.signing = Signing(world.store, world.models, world.clock)  # type: ignore[attr-defined]
    waive = lambda check, **given: Signed.waive(world, 1, check, **given)  # type: ignore[arg-type]  # noqa: E731
    world.train(auc=0.5, author="Ada <ada@shop.example>")
    with pytest.raises(NotFound, match="No gate has judged delay@1 yet"):
        waive("roc_auc >= 0.6")
    world.settle()
    assert world.roles() == ["rejected"]
    with pytest.raises(NotFound, match=r"did not fail 'roc_auc >= 0.7'.*Did you mean"):
        waive("roc_auc >= 0.7")
    with pytest.raises(NotAllowed, match="nobody waives a check of their own work"):
        waive("roc_auc >= 0.6", actor="ada")
    with pytest.raises(InvalidValue, match="A waiver ends"):
        waive("roc_auc >= 0.6", span=timedelta())
    waive("roc_auc >= 0.6")
    world.settle()
    assert (world.roles(), world.report(1).outcome) == (["champion"], "passed")
    verdict = world.verdict(1, "roc_auc >= 0.6")
    assert not verdict.passed
    assert verdict.waived.startswith("by katherine until 2013-03-08")
    assert verdict.waived.endswith("known to be noise")
    with pytest.raises(Conflict, match="not before the gate of production: champion"):
        waive("roc_auc >= 0.6")


def test_a_waiver_ends_and_is_for_one_digest() -> None:
    world = Signed()
    world.train(auc=0.5)
    world.settle()
    world.waive(1, "roc_auc >= 0.6", span=timedelta(minutes=30))
    world.settle()
    assert world.report(1).outcome == "waiting", "it lacks people only"
    world.clock.advance(timedelta(hours=1))
    world.sign(1, "grace")
    world.settle()
    assert world.report(1).outcome == "failed"
    world.train(auc=0.5)
    world.settle()
    assert world.report(2).outcome == "failed"


def test_what_no_word_can_make_good_is_not_waived() -> None:
    world = Signed()
    version = world.train(good)
    world.service.broken[version.artifact] = "its file is damaged"
    world.settle()
    with pytest.raises(NotAllowed, match="loads cannot be waived"):
        world.waive(1, "loads")
    world.train(expires=world.clock.now() - WEEK)
    world.settle()
    assert "it expired at 2013-02-22" in world.verdict(2, "expires_after").why
    with pytest.raises(NotAllowed, match="expires_after cannot be waived"):
        world.waive(2, "expires_after")
    world.train()
    world.settle()
    with pytest.raises(NotAllowed, match="sign_off cannot be waived"):
        world.waive(3, "sign_off")
