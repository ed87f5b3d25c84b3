"""Whatever happens, no more is under way than there is room for, and every run has its turn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from msgspec.structs import replace

from penstock.core.errors import Conflict
from penstock.core.events import Event
from penstock.lineage.ports import Store
from penstock.pipelines.types import Graph, Node, Options, Output
from penstock.runs.decide import MAX_REST, resting
from penstock.runs.room import Room
from penstock.runs.service import LEASE, Runs
from penstock.runs.types import Artifact, Outcome, Run, StepRun, Task, Workspace
from penstock.runs.views import ACTIVE
from penstock.testing.busy import BusyStore
from penstock.testing.executors import FakeExecutor
from penstock.testing.fakes import FixedClock, MemoryBlobs, MemoryStore

WORKSPACE = Workspace(python="python", folder="/project", data_root="/data", lock="lock")
ROOM = Room(cpus=3, gpus=1)
STUBBORN = Options(cache=False, retries=5, backoff=20.0)
GRAPH = Graph(
    pipeline="turns",
    target="p:turns",
    nodes=(
        Node(name="wide", kind="step", options=replace(STUBBORN, cpus=2.0)),
        Node(name="narrow", kind="step", options=STUBBORN),
        Node(name="drawn", kind="step", options=replace(STUBBORN, cpus=0.0, gpus=1.0)),
        Node(
            name="all",
            kind="step",
            inputs={"wide": Output("wide"), "narrow": Output("narrow")},
            options=replace(STUBBORN, cpus=3.0),
        ),
    ),
)
LIMITS = {"any": 0, "one": 1, "two": 2}
"""Pipelines by the number of their runs that may be under way at once."""
PROCESSES = st.integers(0, 1)
PICK = st.integers(0, 1000)
JUMPS = [timedelta(seconds=seconds) for seconds in (1, 19, 21, 45, -1, -45, -100_000)]


class RunsInTurn(RuleBasedStateMachine):
    """Two processes of one machine tick on one store, whose clock goes as it likes."""

    def __init__(self) -> None:
        super().__init__()
        self.store = BusyStore(self.empty())
        self.blobs = MemoryBlobs()
        self.clock = FixedClock()
        self.machine = FixedClock(datetime(2026, 1, 1, tzinfo=UTC))
        self.births = 0
        self.processes = [self.born(), self.born()]
        self.given: list[Task] = []

    def empty(self) -> Store:
        """A store in which nothing is."""
        return MemoryStore()

    def born(self) -> tuple[Runs, FakeExecutor, str]:
        self.births += 1
        executor = FakeExecutor(size=4, room=ROOM)
        owner = f"host:{self.births}"
        runs = Runs(self.store, self.blobs, executor, self.clock, machine=self.machine, owner=owner)
        return runs, executor, owner

    def stored(self) -> tuple[dict[str, Run], list[StepRun]]:
        with self.store.read() as reader:
            return {run.id: run for run in reader.find(Run)}, reader.find(StepRun)

    def events(self) -> list[Event]:
        with self.store.read() as reader:
            return reader.events()

    @precondition(lambda self: len(self.stored()[0]) < 5)
    @rule(pipeline=st.sampled_from(sorted(LIMITS)), priority=st.integers(-1, 1))
    def submit(self, pipeline: str, priority: int) -> None:
        self.processes[0][0].submit(
            project="p",
            pipeline=pipeline,
            environment="test",
            graph=replace(GRAPH, pipeline=pipeline, concurrency=LIMITS[pipeline]),
            workspace=WORKSPACE,
            params={},
            priority=priority,
        )

    @rule(which=PROCESSES)
    def tick(self, which: int) -> None:
        runs, executor, _ = self.processes[which]
        resting_before = {step.id for step in self.stored()[1] if resting(step, self.machine.now())}
        before = len(executor.started)
        known = len(self.events())
        runs.tick(self.clock.now())
        started = executor.started[before:]
        resting_before |= {
            f"{event.subject.removeprefix('run:')}/{event.evidence['step']}"
            for event in self.events()[known:]
            if event.kind == "step.requeued" and event.evidence["why"] == "it raised"
        }
        self.given += started
        assert resting_before.isdisjoint(task.step_run for task in started), "a step was woken"
        self.nobody_was_passed_over(started)

    def nobody_was_passed_over(self, started: list[Task]) -> None:
        """No step was claimed while the same step of a run with higher priority could have been."""
        found, steps = self.stored()
        for step in steps:
            if step.status == "queued" and not resting(step, self.machine.now()):
                for task in started:
                    if task.node.name == step.name and found[step.run].status == "running":
                        assert found[task.step_run.partition("/")[0]].priority >= found[step.run].priority

    @rule()
    def both_tick_at_once(self) -> None:
        self.store.meanwhile = lambda: self.tick(1)
        self.tick(0)
        self.store.meanwhile = None

    @rule(which=PROCESSES, pick=PICK, fate=st.sampled_from(["good", "good", "error", "lost"]))
    def a_worker_answers(self, which: int, pick: int, fate: str) -> None:
        executor = self.processes[which][1]
        waiting = executor.waiting()
        if waiting:
            task = waiting[pick % len(waiting)]
            executor.answer(self.result(task) if fate == "good" else self.bad(task, lost=fate == "lost"))

    def result(self, task: Task) -> Outcome:
        artifact = Artifact(digest=self.blobs.put(b"1"), format="json", size=1)
        return Outcome(step_run=task.step_run, token=task.token, outputs={"result": artifact})

    @staticmethod
    def bad(task: Task, *, lost: bool) -> Outcome:
        return Outcome(
            step_run=task.step_run, token=task.token, error="it died" if lost else "it raised", lost=lost
        )

    @rule(which=PROCESSES, recovers=st.booleans())
    def a_process_is_killed_and_started_again(self, which: int, recovers: bool) -> None:
        dead = self.processes[which][2]
        self.processes[which] = self.born()
        if recovers:
            self.processes[which][0].recover(dead.__eq__)

    @rule(jump=st.sampled_from(JUMPS))
    def the_clock_is_set(self, jump: timedelta) -> None:
        self.machine.advance(jump)

    @rule(pick=PICK, verb=st.sampled_from(["cancel", "retry"]))
    def somebody_asks(self, pick: int, verb: str) -> None:
        found = list(self.stored()[0])
        if found:
            try:
                getattr(self.processes[0][0], verb)(found[pick % len(found)])
            except Conflict:
                return

    @invariant()
    def there_is_room_for_what_is_claimed(self) -> None:
        options = {node.name: node.options for node in GRAPH.nodes}
        claimed = [options[step.name] for step in self.stored()[1] if step.status == "running"]
        assert sum(each.cpus for each in claimed) <= ROOM.cpus
        assert sum(each.gpus for each in claimed) <= ROOM.gpus

    @invariant()
    def no_more_runs_are_under_way_than_their_pipeline_allows(self) -> None:
        under_way = Counter(run.pipeline for run in self.stored()[0].values() if run.status == "running")
        assert all(count <= (LIMITS[pipeline] or count) for pipeline, count in under_way.items())

    @invariant()
    def no_claim_is_given_twice(self) -> None:
        assert len({(task.step_run, task.token) for task in self.given}) == len(self.given)

    @invariant()
    def nothing_rests_longer_than_it_may(self) -> None:
        now = self.machine.now()
        for step in self.stored()[1]:
            if resting(step, now):
                assert step.not_before is not None
                assert step.not_before - now <= MAX_REST

    def teardown(self) -> None:
        """Left alone with willing workers, every run has its turn and comes to its end."""
        for _ in range(80):
            self.machine.advance(LEASE / 4)
            for which, (_, executor, _) in enumerate(self.processes):
                for task in executor.waiting():
                    executor.answer(self.result(task))
                self.tick(which)
            self.there_is_room_for_what_is_claimed()
            self.no_more_runs_are_under_way_than_their_pipeline_allows()
        assert all(run.status not in ACTIVE for run in self.stored()[0].values())


class TestRunsInTurn(RunsInTurn.TestCase):  # type: ignore[misc,name-defined]
    settings = settings(max_examples=100, stateful_step_count=40, deadline=None)


def test_on_postgresql_as_well(on_postgres: Callable[..., None]) -> None:
    on_postgres(RunsInTurn, examples=3, steps=30)
