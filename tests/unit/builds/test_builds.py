"""Commits are queued, built under a lease, recorded; green ones become releases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from penstock.builds.decide import PAUSES
from penstock.builds.requests import cancel, retry
from penstock.builds.service import LEASE, SHOWN, Builds
from penstock.builds.types import Build, Release, TestCase
from penstock.core.errors import Conflict, Unavailable
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


def test_tests_are_shown_while_they_run(world: World) -> None:
    world.head("dev", FIRST)
    world.tick()
    running = TestCase(name="t", suite="project", outcome="running")
    world.builder.report("1", running)
    world.machine.advance(SHOWN)
    world.tick()
    assert [b.tests for b in world.found(Build)] == [(running,)]


def test_a_build_that_breaks_off_is_tried_again_with_pauses_and_then_says_so(world: World) -> None:
    world.head("dev", FIRST)
    for wait in PAUSES:
        world.tick()
        world.builder.finish("1", error="no network", broken=True)
        world.tick()
        [build] = world.found(Build)
        assert (build.status, build.error, build.not_before) == (
            "queued",
            "no network",
            world.machine.now() + wait,
        )
        world.machine.advance(wait - timedelta(seconds=1))
        world.tick()
        assert [b.status for b in world.found(Build)] == ["queued"]
        world.machine.advance(timedelta(seconds=1))
    world.tick()
    assert [(b.status, b.error) for b in world.found(Build)] == [("running", "")]
    world.builder.finish("1", error="no network", broken=True)
    world.tick()
    assert [(b.status, b.error) for b in world.found(Build)] == [("error", "no network")]
    assert world.events()[-1].kind == "build.error"
    assert not world.tick()


def test_retry_begins_again_what_made_no_release(world: World) -> None:
    world.head("dev", FIRST)
    world.tick()
    with pytest.raises(Conflict, match="it is running"):
        retry(world.store, "1", "ada", NOW)
    world.builder.finish("1", error="red")
    world.tick()
    assert retry(world.store, "1", "ada", NOW).status == "queued"
    world.tick()
    world.builder.finish("1")
    world.tick()
    assert [(b.status, b.error) for b in world.found(Build)] == [("passed", "")]
    assert [e.actor for e in world.events(kind="build.retried")] == ["ada"]
    with pytest.raises(Conflict, match="it is passed"):
        retry(world.store, "1", "ada", NOW)


def test_a_cancelled_build_ends_and_its_late_answer_counts_for_nothing(world: World) -> None:
    world.head("dev", FIRST)
    world.head("third", SECOND)
    world.tick()
    assert cancel(world.store, "2", "ada", NOW).status == "cancelled"  # it had not begun
    cancel(world.store, "1", "ada", NOW)
    world.tick()
    assert world.builder.stages() == {}
    world.tick()
    assert [(b.status, b.error) for b in world.found(Build)] == [("cancelled", "cancelled by ada")] * 2
    with pytest.raises(Conflict, match="already cancelled"):
        cancel(world.store, "1", "ada", NOW)
    retry(world.store, "1", "ada", NOW)
    world.tick()
    world.builder.finish("1")
    world.tick()
    assert [r.commit for r in world.found(Release)] == [FIRST]


def test_an_answer_that_cannot_be_written_down_is_written_down_later(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.head("dev", FIRST)
    world.tick()
    world.builder.finish("1")
    with monkeypatch.context() as full:
        full.setattr(world.blobs, "put", _full)
        with pytest.raises(Unavailable, match="disk"):
            world.tick()
    world.tick()
    assert [(b.status, b.token) for b in world.found(Build)] == [("passed", 1)]


def _full(_data: bytes) -> str:
    raise Unavailable(what="The disk is full.")


def test_of_ten_pushes_in_a_second_the_newest_is_built_and_the_running_one_ends(world: World) -> None:
    for number in range(10):
        world.head("dev", f"{number:040x}")
        if number in {0, 4, 7}:
            world.tick()
    world.tick()
    for key in ("1", "4"):
        world.builder.finish(key)
        world.tick()
    assert [(int(b.commit, 16), b.status, b.error) for b in world.found(Build)] == [
        (0, "passed", ""),
        (4, "superseded", "superseded by 0000000000"),
        (7, "superseded", "superseded by 0000000000"),
        (9, "passed", ""),
    ]
    assert not world.tick()
    world.head("dev", f"{4:040x}")
    world.tick()
    assert [b.status for b in world.found(Build)] == ["passed", "running", "superseded", "passed"]


def test_where_each_is_to_be_built_no_build_is_passed_over(world: World) -> None:
    world.builds = Builds(
        world.store, world.blobs, world.builder, each=lambda project, _: project == "flights"
    )
    for commit in (FIRST, SECOND, THIRD):
        world.head("dev", commit)
        world.tick()
    assert [b.status for b in world.found(Build)] == ["running", "queued", "queued"]
