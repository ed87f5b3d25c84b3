"""Previews: an environment for each branch, made on push, gone with the branch or beyond the limit."""

from __future__ import annotations

from datetime import timedelta

import pytest

from penstock.core.errors import Conflict, NotAllowed
from penstock.core.events import Event
from penstock.deployments.environments import Environments
from penstock.deployments.holds import Holds
from penstock.deployments.releases import Releases
from penstock.deployments.types import Deployment
from penstock.runs.types import Run, StepRun, Workspace
from penstock.testing.delivery import CONFIG, GRAPH, Delivered
from penstock.testing.fakes import FixedClock, MemoryBlobs, MemoryStore

PREVIEWS = f"""{CONFIG}
[environments.preview]
deploy = {{ on = "branch", branches = "feature/*", limit = 2 }}
"""


class World:
    def __init__(self) -> None:
        self.store, self.blobs, self.clock = MemoryStore(), MemoryBlobs(), FixedClock()
        self.project = Delivered(self.store, self.blobs, self.clock)
        self.releases = Releases(self.store, self.blobs, self.clock)

    def push(self, branch: str, commit: str) -> None:
        self.project.release(commit, PREVIEWS)
        self.project.move(branch, commit)
        assert self.tick()

    def tick(self) -> bool:
        return self.releases.tick(self.clock.advance(timedelta(minutes=1)))

    def there(self) -> dict[str, str]:
        with self.store.read() as reader:
            return {d.environment: d.commit for d in reader.find(Deployment, active=True)}

    def removed(self) -> list[Event]:
        with self.store.read() as reader:
            return reader.events(kind="environment.removed")

    def run(self, environment: str, status: str = "running") -> str:
        now = self.clock.now()
        with self.store.begin() as tx:
            number = tx.mint(Run)
            told = Event(kind="run.queued", subject=f"run:{number}", time=now)
            tx.add(
                StepRun(id=f"{number}/publish", run=number, name="publish", status=status),
                Run(
                    id=number,
                    project="flights",
                    pipeline="train",
                    environment=environment,
                    release="",
                    firing="",
                    graph=GRAPH,
                    params={},
                    event=tx.publish(told)[0],
                    workspace=Workspace(python="", folder="", data_root="", lock=""),
                    as_of=now,
                    created=now,
                    status=status,
                ),
            )
        return number


@pytest.fixture
def world() -> World:
    return World()


def test_a_branch_has_a_preview_that_follows_it(world: World) -> None:
    world.push("feature/x", "c1")
    world.push("feature/y", "c2")
    assert world.there() == {"preview-x": "c1", "preview-y": "c2"}
    world.push("feature/x", "c3")
    assert world.there() == {"preview-x": "c3", "preview-y": "c2"}
    world.project.move("fix/z", "c3")
    assert not world.tick()


@pytest.mark.parametrize("merged", [True, False])
def test_a_preview_goes_with_its_branch_and_its_runs_under_way_are_cancelled(
    world: World, merged: bool
) -> None:
    world.push("feature/x", "c1")
    under_way, past = world.run("preview-x"), world.run("preview-x", "succeeded")
    other = world.run("test")
    world.project.end("feature/x", merged=merged)
    assert world.tick()
    assert not world.tick()
    assert world.there() == {}
    [event] = world.removed()
    how = "merged" if merged else "deleted"
    assert (event.subject, event.evidence["why"]) == ("environment:preview-x", f"feature/x was {how}")
    with world.store.read() as reader:
        [cause] = [e for e in reader.events() if e.id == event.cause]
        assert cause.kind == ("branch.moved" if merged else "branch.deleted")
        runs = {run.id: run for run in reader.find(Run)}
        steps = {step.run: step.status for step in reader.find(StepRun)}
    assert runs[under_way].error == f"cancelled: preview-x was removed because feature/x was {how}"
    assert {key: run.status for key, run in runs.items()} == steps
    assert steps == {under_way: "cancelled", past: "succeeded", other: "running"}


def test_a_branch_that_goes_on_after_its_merge_has_a_preview_again(world: World) -> None:
    world.push("feature/x", "c1")
    world.project.end("feature/x", merged=True)
    world.tick()
    world.push("feature/x", "c2")
    assert world.there() == {"preview-x": "c2"}


def test_beyond_the_limit_the_preview_that_was_pushed_to_longest_ago_goes(world: World) -> None:
    world.push("feature/x", "c1")
    world.push("feature/y", "c2")
    world.push("feature/x", "c3")
    world.push("feature/z", "c4")
    assert world.there() == {"preview-x": "c3", "preview-z": "c4"}
    [event] = world.removed()
    assert event.evidence["why"] == "preview-z came and at most 2 are kept"
    assert not world.tick()
    world.push("feature/y", "c5")
    assert world.there() == {"preview-z": "c4", "preview-y": "c5"}


def test_a_preview_goes_back_to_its_own_releases_and_not_beyond_its_end(world: World) -> None:
    world.push("feature/x", "c1")
    world.push("feature/x", "c2")
    world.releases.rollback("flights", "preview-x", "ada")
    assert world.there() == {"preview-x": "c1"}
    world.project.end("feature/x")
    world.tick()
    assert world.there() == {}
    with pytest.raises(Conflict):
        world.releases.rollback("flights", "preview-x", "ada")


def test_nothing_is_promoted_to_a_preview(world: World) -> None:
    world.push("feature/x", "c1")
    with pytest.raises(NotAllowed, match=r"A push to feature/\* brings a release there"):
        world.releases.promote("flights", "1", "preview-x", "ada")


def test_a_held_preview_waits_and_still_goes_with_its_branch(world: World) -> None:
    world.push("feature/x", "c1")
    Holds(world.store, world.blobs, world.clock).hold("flights", "preview-x", "comparing", "ada")
    world.project.release("c2", PREVIEWS)
    world.project.move("feature/x", "c2")
    assert not world.tick()
    [waiting] = world.releases.waiting(world.clock.now())
    assert (waiting.environment, waiting.release, waiting.waits) == (
        "preview-x",
        2,
        "is held by ada: comparing",
    )
    world.project.end("feature/x")
    assert world.tick()
    assert world.there() == {}


def test_previews_have_a_place_in_the_order_and_among_the_names(world: World) -> None:
    world.push("feature/x", "c1")
    environments = Environments(world.blobs)
    with world.store.read() as reader:
        assert environments.order(reader) == {"preview-x": 3}
        assert environments.names(reader, "flights") == ["test", "staging", "production", "preview-x"]
