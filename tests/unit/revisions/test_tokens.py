"""Access tokens: who is let in, and what is kept of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from penstock.core.errors import InvalidValue, NotAllowed, NotAuthenticated, NotFound
from penstock.revisions.tokens import AccessTokens
from penstock.revisions.types import AccessToken, Project
from penstock.testing.fakes import FixedClock, MemoryStore

NOW = datetime(2026, 3, 1, tzinfo=UTC)


class World:
    def __init__(self) -> None:
        self.store = MemoryStore()
        with self.store.begin() as tx:
            tx.add(*(Project(id=name, created=NOW, data_root="/data") for name in ("flights", "shop")))
        self.tokens = self.at(NOW)

    def at(self, now: datetime) -> AccessTokens:
        return AccessTokens(self.store, FixedClock(NOW), machine=FixedClock(now))

    def admits(self, text: str, project: str = "flights", *, write: bool = True, near: bool = True) -> str:
        return self.tokens.admit(text, project, write=write, near=near)


@pytest.fixture
def world() -> World:
    return World()


def test_nobody_needs_a_token_here_until_there_is_one_and_everybody_elsewhere_does(world: World) -> None:
    assert world.admits("") == ""
    with pytest.raises(NotAuthenticated, match="penstock tokens create"):
        world.admits("", near=False)
    token, text = world.tokens.create("ada", "ml_expert", "ops")
    assert world.admits(text) == world.admits(text, near=False) == "ada"
    for near in (True, False):
        with pytest.raises(NotAuthenticated):
            world.admits("", near=near)
    world.tokens.revoke(token.id, "ops")
    with pytest.raises(NotAuthenticated):  # the last one that is revoked opens nothing again
        world.admits("")


def test_of_a_token_only_a_digest_is_kept_and_nothing_of_it_is_in_the_ledger(world: World) -> None:
    _, text = world.tokens.create("ada", "admin", "ops")
    with world.store.read() as reader:
        kept = msgspec.json.encode([reader.find(AccessToken), reader.events()]).decode()
    assert text not in kept
    assert text.split("_", 2)[2] not in kept


@pytest.mark.parametrize("wrong", ["penstock_1_x", "penstock_2_", "x", "_", "penstock_1", "\N{SNOWMAN}_1_x"])
def test_what_is_no_token_is_refused(world: World, wrong: str) -> None:
    world.tokens.create("ada", "admin", "ops")
    with pytest.raises(NotAuthenticated):
        world.admits(wrong)


def test_a_token_ends_when_it_was_said_to(world: World) -> None:
    _, text = world.tokens.create("ada", "admin", "ops", expires="2d")
    world.tokens = world.at(NOW + timedelta(days=2) - timedelta(seconds=1))
    assert world.admits(text) == "ada"
    world.tokens = world.at(NOW + timedelta(days=2))
    with pytest.raises(NotAuthenticated, match="expired"):
        world.admits(text)


@pytest.mark.parametrize(
    ("role", "reads", "writes"),
    [
        ("viewer", True, False),
        ("ml_expert", True, True),
        ("operator", True, True),
        ("admin", True, True),
        ("service", False, False),
    ],
)
def test_a_role_allows_what_it_is_for(world: World, role: str, reads: bool, writes: bool) -> None:
    _, text = world.tokens.create("ada", role, "ops")
    for write, allowed in ((False, reads), (True, writes)):
        if allowed:
            assert world.admits(text, write=write) == "ada"
        else:
            with pytest.raises(NotAllowed, match=role):
                world.admits(text, write=write)


def test_a_token_for_a_project_is_for_no_other(world: World) -> None:
    _, text = world.tokens.create("ada", "admin", "ops", project="flights")
    assert world.admits(text) == "ada"
    with pytest.raises(NotAllowed, match="flights only"):
        world.admits(text, "shop")


def test_an_impossible_token_is_not_made(world: World) -> None:
    for said in (
        {"role": "king"},
        {"expires": "0s"},
        {"expires": "soon"},
        {"expires": "9999d"},
        {"owner": " "},
    ):
        asked = {"owner": "ada", "role": "admin", "actor": "ops"} | said
        with pytest.raises(InvalidValue):
            world.tokens.create(**asked)
    with pytest.raises(NotFound):
        world.tokens.create("ada", "admin", "ops", project="unknown")
    with pytest.raises(NotFound):
        world.tokens.revoke("1", "ops")
    assert world.admits("") == ""
