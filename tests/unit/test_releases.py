"""Releases on their way: push, reviewed merge, promotion, and back."""

from __future__ import annotations

from datetime import timedelta

import pytest

from penstock.core.errors import Conflict, InvalidValue, NotAllowed, NotFound
from penstock.deployments.releases import Releases
from penstock.deployments.types import Deployment
from penstock.runs.types import Run, Workspace
from penstock.testing.delivery import CONFIG, GRAPH, Delivered
from penstock.testing.fakes import FixedClock, MemoryBlobs, MemoryStore


class World:
    def __init__(self) -> None:
        self.store, self.blobs, self.clock = MemoryStore(), MemoryBlobs(), FixedClock()
        self.project = Delivered(self.store, self.blobs, self.clock)
        self.releases = Releases(self.store, self.blobs, self.clock)

    def tick(self) -> bool:
        return self.releases.tick(self.clock.advance(timedelta(minutes=1)))

    def there(self, environment: str) -> str:
        with self.store.read() as reader:
            active = reader.find(Deployment, environment=environment, active=True)
        assert len(active) <= 1
        return active[0].commit if active else ""

    def run(self, environment: str, release: str, status: str = "succeeded") -> None:
        with self.store.begin() as tx:
            tx.add(
                Run(
                    id=tx.mint(Run),
                    project="flights",
                    pipeline="train",
                    environment=environment,
                    release=release,
                    firing="",
                    graph=GRAPH,
                    params={},
                    workspace=Workspace(python="", folder="", data_root="", lock=""),
                    as_of=self.clock.now(),
                    created=self.clock.now(),
                    status=status,
                )
            )

    def in_staging(self, commit: str = "c1"):
        release = self.project.release(commit)
        self.project.move("main", commit, ("grace",))
        self.tick()
        return release


@pytest.fixture
def world() -> World:
    return World()


def test_a_push_brings_its_release_to_the_environment_of_the_branch_and_nowhere_else(world: World):
    world.project.move("dev", "c1")
    assert not world.tick(), "nothing is green yet"
    world.project.release("c1")
    assert world.tick()
    assert [world.there(name) for name in ("test", "staging", "production")] == ["c1", "", ""]
    assert not world.tick()


def test_a_later_push_takes_the_place_of_the_earlier(world: World):
    for commit in ("c1", "c2"):
        world.project.release(commit)
        world.project.move("dev", commit)
        world.tick()
    assert world.there("test") == "c2"
    with world.store.read() as reader:
        assert [d.active for d in reader.find(Deployment)] == [False, True]


def test_a_merge_takes_the_same_release_on_once_it_is_approved(world: World):
    release = world.project.release("c1")
    world.project.move("dev", "c1")
    world.tick()
    world.project.move("main", "c1")
    assert not world.tick(), "nobody has approved"
    world.project.move("main", "c1", ("grace",))
    assert world.tick()
    with world.store.read() as reader:
        assert {d.environment: d.release for d in reader.find(Deployment)} == {
            "test": release.id,
            "staging": release.id,
        }


def test_production_is_refused_before_the_release_was_in_staging(world: World):
    release = world.project.release("c1")
    with pytest.raises(NotAllowed, match="deployed to staging first"):
        world.releases.promote("flights", "1", "production", "katherine")
    assert release.number == 1


def test_production_is_refused_before_enough_runs_of_that_release_succeeded(world: World):
    release = world.in_staging()
    for status in ("succeeded", "failed", "succeeded", "queued"):
        world.run("staging", release.id, status)
    world.run("test", release.id)
    world.run("staging", "another release")
    with pytest.raises(
        NotAllowed, match="expected at least 3 successful runs in staging; found 2"
    ) as refusal:
        world.releases.promote("flights", release.id[:12], "production", "katherine")
    assert "penstock triggers fire" in refusal.value.fix
    assert not world.there("production")
    world.run("staging", release.id)
    deployment = world.releases.promote("flights", release.id[:12], "production", "katherine")
    assert (deployment.actor, world.there("production")) == ("katherine", "c1")


def test_promoting_what_is_there_already_changes_nothing(world: World):
    release = world.in_staging()
    for _ in range(3):
        world.run("staging", release.id)
    first = world.releases.promote("flights", "1", "production", "katherine")
    assert world.releases.promote("flights", "1", "production", "dorothy") == first


def test_nothing_is_promoted_to_an_environment_with_another_rule(world: World):
    world.in_staging()
    with pytest.raises(NotAllowed, match="Nothing is promoted to staging"):
        world.releases.promote("flights", "1", "staging", "katherine")
    with pytest.raises(NotFound, match="no environment 'prod'"):
        world.releases.promote("flights", "1", "prod", "katherine")


def test_a_rollback_brings_the_release_before_and_no_tick_undoes_it(world: World):
    for commit in ("c1", "c2"):
        world.project.release(commit)
        world.project.move("dev", commit)
        world.tick()
    assert world.releases.rollback("flights", "test", "katherine").commit == "c1"
    assert not world.tick()
    assert world.there("test") == "c1"
    world.project.release("c3")
    world.project.move("dev", "c3")
    world.tick()
    assert world.there("test") == "c3", "the next push is followed again"


def test_moving_a_branch_back_deploys_the_old_release_again(world: World):
    for commit in ("c1", "c2"):
        world.project.release(commit)
        world.project.move("dev", commit)
        world.tick()
    world.project.move("dev", "c1")
    assert world.tick()
    assert world.there("test") == "c1"


def test_there_is_nothing_to_roll_back_to_at_first(world: World):
    with pytest.raises(Conflict, match="no earlier release"):
        world.releases.rollback("flights", "test", "katherine")


def test_each_release_brings_its_own_rules(world: World):
    world.project.release("c1", CONFIG.replace('branch = "dev"', 'branch = "trunk"'))
    world.project.move("dev", "c1")
    assert not world.tick()
    world.project.move("trunk", "c1")
    assert world.tick()
    assert world.there("test") == "c1"


def test_a_deployment_is_told_in_the_ledger_with_its_cause(world: World):
    release = world.in_staging()
    with world.store.read() as reader:
        [event] = reader.events(kind="release.deployed")
        [moved] = reader.events(kind="branch.moved")
    assert (event.subject, event.cause) == (f"release:{release.id}", moved.id)
    assert event.evidence["why"] == "merged to main, approved by grace"


def test_a_release_is_found_by_number_or_by_the_beginning_of_its_digest(world: World):
    release = world.project.release("c1")
    assert world.releases.find("1") == world.releases.find(release.id[:6].upper()) == release
    for ref in ("2", release.id[:5], "nothing"):
        with pytest.raises(NotFound):
            world.releases.find(ref)


def test_a_number_that_two_projects_have_is_refused_by_name(world: World):
    world.project.release("c1")
    world.project.project = "trains"
    world.project.release("c1")
    with pytest.raises(InvalidValue, match=r"flights release 1 .* trains release 1"):
        world.releases.find("1")
    assert world.releases.find("1", "trains").project == "trains"
