"""In any order of time, requests, releases, pauses and crashes, a reason starts one run and none is lost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from penstock.datasets.arrivals import Levels
from penstock.deployments.releases import Releases
from penstock.deployments.types import Deployment
from penstock.runs.service import Runs
from penstock.runs.types import Run, Workspace
from penstock.testing.busy import BusyStore
from penstock.testing.delivery import CONFIG, Delivered
from penstock.testing.executors import FakeExecutor
from penstock.testing.fakes import FixedClock, MemoryBlobs, MemoryStore
from penstock.triggers.service import Triggers
from penstock.triggers.types import Firing, Request

START = datetime(2013, 3, 1, 12, tzinfo=UTC)
WHERE = ("flights", "test", "train")
ON_TEST = CONFIG.replace('environments = ["production"]', 'environments = ["test"]')


class Firings(RuleBasedStateMachine):
    """A pipeline in `test` with a daily schedule; every push brings a release that runs once."""

    def __init__(self) -> None:
        super().__init__()
        self.store, blobs, self.clock = BusyStore(MemoryStore()), MemoryBlobs(), FixedClock(START)
        self.project = Delivered(self.store, blobs, self.clock)
        self.releases = Releases(self.store, blobs, self.clock)
        self.runs = Runs(self.store, blobs, FakeExecutor(), self.clock)
        self.blobs = blobs
        self.commits = 0
        self.resumed = START
        self.push()
        self.crash()

    @rule()
    def crash(self) -> None:
        """The control plane begins again, with nothing in its memory."""
        self.triggers = self.another()

    def another(self) -> Triggers:
        workspace = Workspace(python="", folder="", data_root="", lock="")
        return Triggers(
            self.store,
            self.blobs,
            self.runs,
            self.clock,
            workspace_of=lambda _release, _where: workspace,
            arrivals=Levels(),
            secrets=lambda _project, _environment: {},
        )

    @rule(back=st.booleans())
    def release_arrives(self, back: bool) -> None:
        if back and self.commits > 1:
            self.releases.rollback("flights", "test", "katherine", to="1")
        else:
            self.push()

    def push(self) -> None:
        self.commits += 1
        self.project.release(f"c{self.commits}", ON_TEST)
        self.project.move("dev", f"c{self.commits}")
        self.releases.tick(self.clock.now())

    @rule(depth=st.sampled_from([3, 4]))
    def ask(self, depth: int) -> None:
        self.triggers.request(*WHERE, {"depth": depth}, "katherine")

    @rule(
        minutes=st.sampled_from([0, 0, 1, 600, 1440, 10_000]),
        ends=st.sampled_from(["succeeded", "failed", ""]),
    )
    def tick(self, minutes: int = 0, ends: str = "") -> None:
        """Some time later the triggers look; perhaps the run has ended by then."""
        if ends:
            self.project.finish(ends)
        self.triggers.tick(self.clock.advance(timedelta(minutes=minutes)))

    @rule(minutes=st.sampled_from([0, 1440]), what=st.sampled_from(["tick", "pause", "push"]))
    def tick_while_something_happens(self, minutes: int, what: str) -> None:
        self.project.finish()
        self.clock.advance(timedelta(minutes=minutes))
        happens = {
            "tick": lambda: self.another().tick(self.clock.now()),
            "pause": self.pause,
            "push": self.push,
        }
        self.store.meanwhile = happens[what]
        self.triggers.tick(self.clock.now())
        self.store.meanwhile = None
        self.resume()

    @rule(minutes=st.sampled_from([1, 1440]))
    def rest(self, minutes: int) -> None:
        self.pause()
        self.triggers.tick(self.clock.advance(timedelta(minutes=minutes)))
        self.resume()

    def pause(self) -> None:
        self.triggers.pause(*WHERE, "katherine")

    def resume(self) -> None:
        self.triggers.resume(*WHERE, "katherine")

    def found(self) -> tuple[list[Firing], list[Run], list[Request], list[Deployment]]:
        with self.store.read() as reader:
            return reader.find(Firing), reader.find(Run), reader.find(Request), reader.find(Deployment)

    @invariant()
    def one_run_at_a_time(self) -> None:
        _, runs, _, _ = self.found()
        assert sum(run.status in {"queued", "running"} for run in runs) <= 1

    @invariant()
    def every_run_has_its_firing_and_every_firing_its_run(self) -> None:
        firings, runs, _, _ = self.found()
        assert [(f.id, f.run) for f in firings] == [(run.firing, run.id) for run in runs]

    @invariant()
    def no_reason_was_used_twice(self) -> None:
        used = [slot for firing in self.found()[0] for slot in slots(firing)]
        assert len(used) == len(set(used))

    @invariant()
    def a_run_is_of_the_release_that_was_there(self) -> None:
        _, runs, _, deployments = self.found()
        for run in runs:
            there = [d.release for d in deployments if d.event < run.event]
            assert run.release == there[-1]

    @invariant()
    def requests_run_with_what_they_asked_for(self) -> None:
        _, runs, requests, _ = self.found()
        granted = {run.firing: run.params for run in runs}
        for request in requests:
            if request.firing:
                assert granted[request.firing] == request.params

    @invariant()
    def schedule_slots_only_move_forward(self) -> None:
        times = [slot for f in self.found()[0] for slot in slots(f) if slot.startswith("schedule:")]
        assert times == sorted(times)

    def teardown(self) -> None:
        """Left alone, everything that was asked for has happened."""
        self.resume()
        for _ in range(12):
            self.tick(ends="succeeded")
        self.project.finish()
        self.no_reason_was_used_twice()
        assert not self.triggers.tick(self.clock.now())
        firings, _, requests, deployments = self.found()
        assert all(request.firing for request in requests)
        [active] = [d for d in deployments if d.active]
        assert f"deployed:{active.id}:train" in {slot for firing in firings for slot in slots(firing)}


def slots(firing: Firing) -> list[str]:
    """Every slot that a firing has used."""
    return [told["slot"] for told in firing.evidence.get("reasons", [])] or [firing.slot]


class TestFirings(Firings.TestCase):  # type: ignore[misc,name-defined]
    settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
