"""In any order of pushes, crashes and late answers, newest commits are built and releases made once."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from penstock.builds.service import LEASE, Builds
from penstock.builds.types import Build, Built, Release
from penstock.core.events import Event
from penstock.revisions.types import Branch
from penstock.testing.builders import FakeBuilder
from penstock.testing.fakes import FixedClock, MemoryBlobs, MemoryStore

NOW = datetime(2013, 3, 1, tzinfo=UTC)


class BuildsSurvive(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.store = MemoryStore()
        self.blobs = MemoryBlobs()
        self.machine = FixedClock(NOW)
        self.late: list[Built] = []
        self.answers: dict[tuple[str, int], str] = {}
        self.commits = 0
        self.start_again()

    def start_again(self) -> None:
        self.builder = FakeBuilder(room=2)
        self.builds = Builds(self.store, self.blobs, self.builder, machine=self.machine)

    @rule(branch=st.sampled_from(["dev", "main"]), new=st.booleans())
    def push(self, branch: str, new: bool) -> None:
        self.commits += new or not self.commits
        key, commit = f"flights:{branch}", f"{self.commits:040x}"
        with self.store.begin() as tx:
            [event] = tx.publish(Event(kind="branch.moved", subject=f"branch:{branch}", time=NOW))
            head = Branch(id=key, project="flights", name=branch, commit=commit, moved=NOW, event=event)
            (tx.put if tx.find(Branch, id=key) else tx.add)(head)

    @rule()
    def tick(self) -> None:
        self.builds.tick(NOW)

    @precondition(lambda self: self.builder.stages())
    @rule(red=st.booleans(), lost=st.booleans(), data=st.data())
    def finish(self, red: bool, lost: bool, data: st.DataObject) -> None:
        build = data.draw(st.sampled_from(sorted(self.builder.stages())))
        built = self.builder.finish(build, error="red" if red else "")
        self.late.append(built)
        self.answers[built.build, built.token] = "failed" if red else "passed"
        if lost:
            self.builder.finished()

    @precondition(lambda self: self.late)
    @rule(data=st.data())
    def answer_again(self, data: st.DataObject) -> None:
        self.builder.deliver(data.draw(st.sampled_from(self.late)))

    @rule(recover=st.booleans())
    def crash(self, recover: bool) -> None:
        self.start_again()
        if recover:
            self.builds.recover()

    @rule(seconds=st.sampled_from([30, 61]))
    def time_passes(self, seconds: int) -> None:
        self.machine.advance(timedelta(seconds=seconds))

    @invariant()
    def nothing_is_made_twice(self) -> None:
        with self.store.read() as reader:
            builds, releases = reader.find(Build), reader.find(Release)
            made = Counter(event.subject for event in reader.events(kind="release.made"))
        assert len({b.commit for b in builds}) == len(builds)
        assert [r.number for r in releases] == list(range(1, len(releases) + 1))
        assert {r.id for r in releases} == {b.release for b in builds if b.status == "passed"}
        ended = [b for b in builds if b.status in {"passed", "failed"}]
        assert [b.status for b in ended] == [self.answers.get((b.id, b.token)) for b in ended]
        assert all(count == 1 for count in made.values())
        assert all((b.lease is not None) == (b.status == "running") for b in builds)

    def teardown(self) -> None:
        """However it went, going on finishes everything."""
        for _ in range(3 + 2 * self.commits):
            self.machine.advance(LEASE)
            self.builds.tick(NOW)
            for build in self.builder.stages():
                self.builder.finish(build)
        self.builds.tick(NOW)
        with self.store.read() as reader:
            heads = {branch.commit for branch in reader.find(Branch)}
            ended = {b.commit for b in reader.find(Build, status=("passed", "failed"))}
            assert not reader.count(Build, status=("queued", "running"))
        assert heads <= ended


TestBuildsSurvive = BuildsSurvive.TestCase
TestBuildsSurvive.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
