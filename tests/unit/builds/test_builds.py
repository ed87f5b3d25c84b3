"""Commits are queued, built under a lease, recorded; green ones become releases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from penstock.builds.service import LEASE, Builds
from penstock.builds.types import Build, Release, TestCase
from penstock.core.events import Event
from penstock.pipelines.types import Graph
from penstock.revisions.types import Branch
from penstock.testing.builders import FakeBuilder
from penstock.testing.fakes import FixedClock, MemoryBlobs, MemoryStore

NOW = datetime(2013, 3, 1, tzinfo=UTC)
FIRST, SECOND, THIRD = (digit * 40 for digit in "123")


class World:
    """Builds with everything fake around it."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.blobs = MemoryBlobs()
        self.builder = FakeBuilder()
        self.machine = FixedClock(NOW)
        self.builds = self.restart()

    def restart(self) -> Builds:
        self.builder = FakeBuilder()
        self.builds = Builds(self.store, self.blobs, self.builder, machine=self.machine)
        return self.builds

    def head(self, branch: str, commit: str) -> None:
        key = f"flights:{branch}"
        with self.store.begin() as tx:
            [event] = tx.publish(Event(kind="branch.moved", subject=f"branch:{branch}", time=NOW))
            head = Branch(id=key, project="flights", name=branch, commit=commit, moved=NOW, event=event)
            (tx.put if tx.find(Branch, id=key) else tx.add)(head)

    def tick(self) -> bool:
        return self.builds.tick(NOW)

    def found(self, kind: Any, **where: Any) -> list[Any]:
        with self.store.read() as reader:
            return list(reader.find(kind, **where))

    def events(self, **where: Any) -> list[Event]:
        with self.store.read() as reader:
            return list(reader.events(**where))


@pytest.fixture
def world() -> World:
    return World()


def test_the_newest_commit_of_every_branch_is_built_once(world: World) -> None:
    world.head("dev", FIRST)
    world.head("other", FIRST)
    world.head("third", SECOND)
    assert world.tick()
    assert [(b.commit, b.branch, b.status) for b in world.found(Build)] == [
        (FIRST, "dev", "running"),
        (SECOND, "third", "queued"),
    ]
    assert not world.tick()


def test_a_release_keeps_the_waived_tests_of_its_build(world: World) -> None:
    world.head("dev", FIRST)
    world.tick()
    passed = TestCase(name="finite[view]", suite="automatic", outcome="passed")
    waived = TestCase(name="unused[view]", suite="automatic", outcome="waived", message="Waived: Soon.")
    world.builder.finish("1", tests=(passed, waived))
    world.tick()
    [release] = world.found(Release)
    assert release.waived == (waived,)


def test_a_green_build_becomes_a_release_named_by_what_it_consists_of(world: World) -> None:
    world.head("dev", FIRST)
    world.tick()
    graph = Graph(pipeline="train", target="flights.pipeline:train")
    tests = (TestCase(name="t", suite="project", outcome="passed"),)
    world.builder.finish("1", graphs=(graph,), tests=tests)
    assert world.tick()
    [build], [release] = world.found(Build), world.found(Release)
    assert (build.status, build.tests, build.release) == ("passed", tests, release.id)
    assert (release.number, release.commit, release.graphs) == (1, FIRST, (graph,))
    assert f'"commit":"{FIRST}"'.encode() in world.blobs.get(release.id)
    moved, queued, passed, made = world.events()
    assert [e.kind for e in (queued, passed, made)] == ["build.queued", "build.passed", "release.made"]
    assert [queued.cause, passed.cause, made.cause] == [moved.id, queued.id, passed.id]
    assert not world.tick()


def test_a_red_build_keeps_its_report_and_makes_no_release(world: World) -> None:
    world.head("dev", FIRST)
    world.tick()
    tests = (TestCase(name="t", suite="project", outcome="failed", message="boom"),)
    world.builder.finish("1", error="1 of 1 tests failed: t.", tests=tests)
    world.tick()
    [build] = world.found(Build)
    assert (build.status, build.tests, build.error) == ("failed", tests, "1 of 1 tests failed: t.")
    assert world.found(Release) == []
    assert world.events()[-1].evidence == {"tests": 1, "error": "1 of 1 tests failed: t."}
    assert not world.tick()


def test_releases_are_counted_in_their_project(world: World) -> None:
    for number, commit in enumerate((FIRST, SECOND, THIRD), start=1):
        world.head("dev", commit)
        world.tick()
        world.builder.finish(str(number), error="red" if commit == SECOND else "")
    world.tick()
    assert [(r.number, r.commit) for r in world.found(Release)] == [(1, FIRST), (2, THIRD)]


def test_a_build_shows_what_it_is_doing(world: World) -> None:
    world.head("dev", FIRST)
    world.tick()
    world.tick()
    assert [b.stage for b in world.found(Build)] == ["test"]


def test_a_lease_is_renewed_while_the_builder_works(world: World) -> None:
    world.head("dev", FIRST)
    world.tick()
    for _ in range(3):
        world.machine.advance(LEASE - timedelta(seconds=1))
        world.tick()
    [build] = world.found(Build)
    assert (build.status, build.token) == ("running", 1)
    assert build.lease.until == world.machine.now() + LEASE


def test_a_build_that_nobody_works_on_is_started_again_when_its_lease_ran_out(world: World) -> None:
    world.head("dev", FIRST)
    world.tick()
    late = world.builder.finish("1")
    world.restart()
    world.machine.advance(LEASE - timedelta(seconds=1))
    world.tick()
    assert [b.token for b in world.found(Build)] == [1]
    world.machine.advance(timedelta(seconds=1))
    world.tick()
    assert [(b.status, b.token) for b in world.found(Build)] == [("running", 2)]
    world.builder.deliver(late)
    world.tick()
    assert [b.status for b in world.found(Build)] == ["running"]
    assert world.found(Release) == []


def test_after_a_crash_running_builds_are_queued_again_at_once(world: World) -> None:
    world.head("dev", FIRST)
    world.tick()
    world.restart().recover()
    assert [(b.status, b.lease) for b in world.found(Build)] == [("queued", None)]
    world.tick()
    world.builder.finish("1")
    world.tick()
    assert [r.number for r in world.found(Release)] == [1]
