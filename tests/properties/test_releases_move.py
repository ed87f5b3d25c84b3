"""In any order of pushes, merges, promotions, rollbacks, holds, freezes and processes, the paths are kept."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from penstock.core.errors import Conflict, NotAllowed, NotFound
from penstock.core.events import Event
from penstock.deployments.holds import Holds
from penstock.deployments.releases import Releases
from penstock.deployments.types import Deployment, Hold
from penstock.pipelines.graph import coerce
from penstock.revisions.types import Branch
from penstock.runs.types import Run, Workspace
from penstock.testing.busy import BusyStore
from penstock.testing.delivery import CONFIG, GRAPH, Delivered
from penstock.testing.fakes import FixedClock, MemoryBlobs, MemoryStore

START = datetime(2013, 3, 1, 12, tzinfo=UTC)  # a Friday
FREEZE = 'freeze = [{ from = "Sat 00:00", until = "Mon 06:00" }]'
LIMIT = 2
RULES = f"""{CONFIG.replace("[environments.staging]", f"[environments.staging]{chr(10)}{FREEZE}")}
[environments.preview]
deploy = {{ on = "branch", branches = "feature/*", limit = {LIMIT} }}
"""
BRANCHES = st.sampled_from(["feature/x", "feature/y", "feature/z", "feature/Z"])
ENVIRONMENTS = st.sampled_from(["test", "staging", "production", "preview-x"])
NEEDED = 3


class Moves(RuleBasedStateMachine):
    """One project on its way; whatever may be refused is tried all the same."""

    def __init__(self) -> None:
        super().__init__()
        self.store, self.blobs, self.clock = BusyStore(MemoryStore()), MemoryBlobs(), FixedClock(START)
        self.project = Delivered(self.store, self.blobs, self.clock)
        self.holds = Holds(self.store, self.blobs, self.clock)
        self.releases = self.another()
        self.commits, self.heads, self.looked = 0, 0, False
        self.push(green=True)
        self.merge(back=0, approved=True)
        self.releases.tick(self.clock.now())

    def another(self) -> Releases:
        return Releases(self.store, self.blobs, self.clock)

    @rule(green=st.booleans())
    def push(self, green: bool) -> None:
        self.commits += 1
        if green:
            self.project.release(f"c{self.commits}", RULES)
        self.project.move("dev", f"c{self.commits}")

    @rule(branch=BRANCHES, green=st.booleans())
    def push_a_branch(self, branch: str, green: bool) -> None:
        self.heads += 1
        commit = f"f{self.heads}"
        if green:
            self.project.release(commit, RULES)
        self.project.move(branch, commit)
        self.looked = False

    @rule(branch=BRANCHES, merged=st.booleans())
    def end_a_branch(self, branch: str, merged: bool) -> None:
        with suppress(NotFound):
            self.project.end(branch, merged=merged)
            self.looked = False

    @rule(branch=BRANCHES, merged=st.booleans())
    def a_branch_ends_meanwhile(self, branch: str, merged: bool) -> None:
        self.store.meanwhile = lambda: self.end_a_branch(branch, merged)
        self.releases.tick(self.clock.now())
        self.store.meanwhile = None

    @rule(back=st.integers(0, 2), approved=st.booleans())
    def merge(self, back: int, approved: bool) -> None:
        self.project.move("main", f"c{max(1, self.commits - back)}", ("grace",) if approved else ())

    @rule(hours=st.sampled_from([0, 1, 40]))
    def tick(self, hours: int) -> None:
        self.releases.tick(self.clock.advance(timedelta(hours=hours)))
        self.looked = True

    @rule()
    def another_process_ticks_meanwhile(self) -> None:
        self.store.meanwhile = lambda: self.another().tick(self.clock.now())
        self.releases.tick(self.clock.now())
        self.store.meanwhile = None

    @rule(environment=ENVIRONMENTS)
    def a_hold_comes_meanwhile(self, environment: str) -> None:
        self.store.meanwhile = lambda: self.hold(environment)
        self.releases.tick(self.clock.now())
        self.store.meanwhile = None

    @rule(environment=ENVIRONMENTS)
    def hold(self, environment: str) -> None:
        with suppress(Conflict):
            self.holds.hold("flights", environment, "exams", "grace")

    @rule(environment=ENVIRONMENTS)
    def unhold(self, environment: str) -> None:
        with suppress(NotFound):
            self.holds.unhold("flights", environment, "grace")

    @rule()
    def promote_what_is_in_staging(self) -> None:
        history = self.history("staging")
        if history:
            with suppress(NotAllowed):
                self.releases.promote("flights", history[-1].release, "production", "katherine")

    @rule(number=st.integers(1, 6), environment=ENVIRONMENTS)
    def promote(self, number: int, environment: str) -> None:
        with suppress(NotAllowed, NotFound):
            self.releases.promote("flights", str(number), environment, "katherine")

    @rule(to=st.sampled_from(["", "1", "2", "3"]), environment=ENVIRONMENTS)
    def roll_back(self, to: str, environment: str) -> None:
        with suppress(Conflict, NotAllowed, NotFound):
            self.releases.rollback("flights", environment, "katherine", to)

    @rule(ends=st.lists(st.sampled_from(["succeeded", "succeeded", "succeeded", "failed"]), max_size=4))
    def staging_runs(self, ends: list[str]) -> None:
        """Runs of what is in staging, told here in the simplest way: how many went well in a row."""
        for status in ends:
            with self.store.begin() as tx:
                there = tx.find(Deployment, environment="staging", active=True)
                if there:
                    told = Event(kind="run.queued", subject="run:0", time=self.clock.now())
                    tx.add(
                        Run(
                            id=tx.mint(Run),
                            project="flights",
                            pipeline="train",
                            environment="staging",
                            release=there[0].release,
                            firing="",
                            graph=GRAPH,
                            params=coerce(GRAPH, {}),
                            workspace=Workspace(python="", folder="", data_root="", lock=""),
                            as_of=self.clock.now(),
                            created=self.clock.now(),
                            event=tx.publish(told)[0],
                            status=status,
                        )
                    )

    def history(self, environment: str = "") -> list[Deployment]:
        where = {"environment": environment} if environment else {}
        with self.store.read() as reader:
            return reader.find(Deployment, **where)

    @invariant()
    def one_release_is_active(self) -> None:
        for environment in ("test", "staging", "production"):
            history = self.history(environment)
            assert [d.active for d in history[-1:]] == [True] * bool(history)
            assert sum(d.active for d in history) == bool(history)

    @invariant()
    def after_a_tick_every_preview_has_a_live_branch_of_its_own(self) -> None:
        with self.store.read() as reader:
            live = {b.name for b in reader.find(Branch, deleted=None) if not b.merged}
            previews = [d for d in reader.find(Deployment, active=True) if d.branch]
        if self.looked:
            assert {preview.branch for preview in previews} <= live
        assert len({d.branch for d in previews}) == len({d.environment for d in previews}) == len(previews)
        assert len(previews) <= LIMIT

    @invariant()
    def only_previews_are_removed_and_each_removal_is_told(self) -> None:
        with self.store.read() as reader:
            told = [e.subject for e in reader.events(kind="environment.removed")]
        history = {f"environment:{d.environment}": d for d in self.history() if d.branch}
        assert set(told) <= set(history)
        for subject, last in history.items():
            assert last.active or subject in told

    @invariant()
    def production_only_ever_got_what_staging_proved(self) -> None:
        with self.store.read() as reader:
            runs = reader.find(Run, environment="staging")
        first: set[str] = set()
        for deployment in self.history("production"):
            if deployment.kind == "rollback":
                assert deployment.release in first
                continue
            streak = 0
            for run in runs:
                if run.release == deployment.release and run.event < deployment.event:
                    streak = streak + 1 if run.status == "succeeded" else 0
            assert streak >= NEEDED
            first.add(deployment.release)

    @invariant()
    def no_hold_is_broken(self) -> None:
        with self.store.read() as reader:
            holds = reader.find(Hold)
            began = {e.subject + str(e.time): e.id for e in reader.events(kind="environment.held")}
        for hold in holds:
            since = began[f"environment:{hold.environment}{hold.since}"]
            until = hold.event if hold.lifted else float("inf")
            assert not [d for d in self.history(hold.environment) if since < d.event < until]

    @invariant()
    def nothing_new_comes_while_it_is_frozen(self) -> None:
        for deployment in self.history("staging"):
            day, hour = deployment.deployed.weekday(), deployment.deployed.hour
            assert deployment.kind == "rollback" or not (day in {5, 6} or (day == 0 and hour < 6))

    @invariant()
    def every_deployment_has_its_cause(self) -> None:
        with self.store.read() as reader:
            told = {event.id: event for event in reader.events(kind="release.deployed")}
        for deployment in self.history():
            assert told[deployment.event].cause
            assert deployment.why

    def teardown(self) -> None:
        """Left alone and free, the newest green commit of dev is in test, and nothing more happens."""
        for environment in ("test", "staging", "production", "preview-x"):
            self.unhold(environment)
        self.push(green=True)
        self.clock.advance(timedelta(days=3))
        self.releases.tick(self.clock.now())
        assert self.history("test")[-1].commit == f"c{self.commits}"
        assert not self.releases.tick(self.clock.now())


class TestMoves(Moves.TestCase):  # type: ignore[misc,name-defined]
    settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
