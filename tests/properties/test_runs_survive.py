"""In any order of claims, crashes, late results and retries, no step is lost and none is applied twice."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from msgspec.structs import replace

from penstock.core.errors import Conflict
from penstock.lineage.ports import Store
from penstock.pipelines.types import Graph, Node, Options, Output, Way
from penstock.runs.instances import instances_of, is_instance, node_of, of_element
from penstock.runs.lists import elements, truth
from penstock.runs.service import LEASE, Runs
from penstock.runs.types import Artifact, Outcome, Run, StepRun, Task, Workspace
from penstock.runs.views import ACTIVE
from penstock.testing.busy import BusyStore
from penstock.testing.executors import FakeExecutor
from penstock.testing.fakes import FixedClock, MemoryBlobs, MemoryStore

WORKSPACE = Workspace(python="python", folder="/project", data_root="/data", lock="lock")
WELL, ILL = Way(Output("good"), taken=True), Way(Output("good"), taken=False)
GRAPH = Graph(
    pipeline="shapes",
    target="p:shapes",
    nodes=(
        Node(name="load", kind="step", target="p:load", options=Options(retries=1)),
        Node(
            name="left",
            kind="step",
            target="p:left",
            inputs={"rows": Output("load")},
            options=Options(retries=1, cache=False),
        ),
        Node(name="right", kind="step", target="p:right", inputs={"rows": Output("load")}),
        Node(
            name="join",
            kind="step",
            target="p:join",
            inputs={"left": Output("left"), "right": Output("right")},
        ),
        Node(
            name="spread",
            kind="step",
            target="p:spread",
            inputs={"row": Output("load"), "left": Output("left")},
            options=Options(retries=1),
            over=("row",),
        ),
        Node(name="again", kind="step", target="p:again", inputs={"row": Output("spread")}, over=("row",)),
        Node(name="fine", kind="step", target="p:fine", inputs={"row": Output("again")}, over=("row",)),
        Node(
            name="keep",
            kind="step",
            target="p:keep",
            inputs={"row": Output("again")},
            over=("row",),
            when=(Way(Output("fine"), taken=True, each=True),),
        ),
        Node(
            name="gather",
            kind="step",
            target="p:gather",
            inputs={"rows": Output("again")},
            options=Options(cache=False),
        ),
        Node(name="good", kind="step", target="p:good"),
        Node(name="praise", kind="step", target="p:praise", inputs={"rows": Output("spread")}, when=(WELL,)),
        Node(name="blame", kind="step", target="p:blame", inputs={"rows": Output("load")}, when=(ILL,)),
        Node(
            name="choose",
            kind="choose",
            inputs={"condition": Output("good"), "then": Output("praise"), "otherwise": Output("blame")},
        ),
        Node(name="alone", kind="step", target="p:alone", options=Options(cache=False)),
    ),
)
PROCESSES = st.integers(0, 1)
PICK = st.integers(0, 1000)


class RunsSurvive(RuleBasedStateMachine):
    """Two processes tick on one store; whatever can happen to them and to their workers happens."""

    def __init__(self) -> None:
        super().__init__()
        self.store = BusyStore(self.empty())
        self.blobs = MemoryBlobs()
        self.clock = FixedClock()
        self.machine = FixedClock(datetime(2026, 1, 1, tzinfo=UTC))
        self.births = 0
        self.processes = [self.born(), self.born()]
        self.given: list[Task] = []
        self.tokens: dict[str, int] = {}
        self.ended: dict[str, tuple[Run, list[StepRun]]] = {}

    def empty(self) -> Store:
        """A store in which nothing is."""
        return MemoryStore()

    def born(self) -> tuple[Runs, FakeExecutor, str]:
        self.births += 1
        executor = FakeExecutor(size=2)
        owner = f"process-{self.births}."
        runs = Runs(self.store, self.blobs, executor, self.clock, machine=self.machine, owner=owner)
        return runs, executor, owner

    def result(self, task: Task) -> Outcome:
        inputs = {name: artifact.digest for name, artifact in task.inputs.items()}
        data = self.bytes_of(task.step_run, task.token, inputs)
        artifact = Artifact(digest=self.blobs.put(data), format="json", size=len(data))
        return Outcome(
            step_run=task.step_run,
            token=task.token,
            outputs={"result": artifact},
            metrics=(("loss", 1.0, 0),),
        )

    @staticmethod
    def bytes_of(step_run: str, token: int, inputs: dict[str, str]) -> bytes:
        """What a claim makes of its inputs: a list, perhaps without elements, a truth value, or a text."""
        text = f"{step_run} by claim {token} from {sorted(inputs.items())}"
        match node_of(step_run.partition("/")[2]):
            case "load":
                return msgspec.json.encode([f"{part} of {text}" for part in range((token + 1) % 4)])
            case "good" | "fine":
                return msgspec.json.encode(token % 2 == 0)
            case _:
                return msgspec.json.encode(text)

    def stored(self) -> tuple[list[Run], list[StepRun]]:
        with self.store.read() as reader:
            return reader.find(Run), reader.find(StepRun)

    @precondition(lambda self: len(self.stored()[0]) < 3)
    @rule()
    def submit(self) -> None:
        self.processes[0][0].submit(
            project="p", pipeline="shapes", environment="test", graph=GRAPH, workspace=WORKSPACE, params={}
        )

    @rule(which=PROCESSES)
    def tick(self, which: int) -> None:
        runs, executor, _ = self.processes[which]
        before = len(executor.started)
        runs.tick(self.clock.now())
        self.given += executor.started[before:]

    @rule()
    def both_tick_at_once(self) -> None:
        self.store.meanwhile = lambda: self.tick(1)
        self.tick(0)
        self.store.meanwhile = None

    @precondition(lambda self: self.stored()[0])
    @rule(pick=PICK)
    def a_run_is_cancelled_while_a_process_ticks(self, pick: int) -> None:
        self.store.meanwhile = lambda: self.somebody_cancels_or_retries(pick, "cancel")
        self.tick(0)
        self.store.meanwhile = None

    @rule(which=PROCESSES, pick=PICK, fate=st.sampled_from(["good", "error", "lost"]))
    def a_worker_answers(self, which: int, pick: int, fate: str) -> None:
        executor = self.processes[which][1]
        waiting = executor.waiting()
        if waiting:
            task = waiting[pick % len(waiting)]
            bad = Outcome(step_run=task.step_run, token=task.token, error="bad luck", lost=fate == "lost")
            executor.answer(self.result(task) if fate == "good" else bad)

    @rule(which=PROCESSES)
    def everything_goes_well_for_a_while(self, which: int) -> None:
        for _ in range(3):
            self.tick(which)
            for task in self.processes[which][1].waiting():
                self.processes[which][1].answer(self.result(task))

    @precondition(lambda self: self.given)
    @rule(which=PROCESSES, pick=PICK)
    def an_old_result_arrives_again_somewhere(self, which: int, pick: int) -> None:
        self.processes[which][1].answer(self.result(self.given[pick % len(self.given)]))

    @rule(which=PROCESSES, recovers=st.booleans())
    def a_process_is_killed_and_started_again(self, which: int, recovers: bool) -> None:
        dead = self.processes[which][2]
        self.processes[which] = self.born()
        if recovers:
            self.processes[which][0].recover(dead.__eq__)

    @rule()
    def the_machine_sleeps_past_every_lease(self) -> None:
        self.machine.advance(LEASE + timedelta(seconds=1))

    @rule(seconds=st.sampled_from([-100_000, -40, 20, 100_000]))
    def the_clocks_are_set(self, seconds: int) -> None:
        self.machine.advance(timedelta(seconds=seconds))
        self.clock.advance(timedelta(seconds=seconds))

    @rule(pick=PICK, verb=st.sampled_from(["cancel", "retry"]))
    def somebody_asks(self, pick: int, verb: str) -> None:
        self.somebody_cancels_or_retries(pick, verb)

    def somebody_cancels_or_retries(self, pick: int, verb: str) -> None:
        found = self.stored()[0]
        if found:
            run = found[pick % len(found)].id
            try:
                getattr(self.processes[0][0], verb)(run)
            except Conflict:
                return
            self.ended.pop(run, None)

    @staticmethod
    def node(step: StepRun, steps: Iterable[StepRun]) -> Node:
        """The node as the step does it."""
        (node,) = (node for node in GRAPH.nodes if node.name == node_of(step.name))
        mine = instances_of(other for other in steps if other.run == step.run)
        return of_element(node, step.name, mine) if is_instance(step.name) else node

    @invariant()
    def no_step_is_lost(self) -> None:
        found, steps = self.stored()
        for run in found:
            mine = [step for step in steps if step.run == run.id]
            assert [step.name for step in mine if not is_instance(step.name)] == [
                node.name for node in GRAPH.nodes
            ]
            for parent, names in instances_of(mine).items():
                assert names == [f"{parent}[{index}]" for index in range(len(names))]

    @invariant()
    def no_step_is_applied_twice(self) -> None:
        _, steps = self.stored()
        with self.store.read() as reader:
            finished = [(e.subject, e.evidence["step"]) for e in reader.events(kind="step.finished")]
        succeeded = [(f"run:{step.run}", step.name) for step in steps if step.status == "succeeded"]
        assert sorted(finished) == sorted(succeeded)

    @invariant()
    def what_counts_is_what_the_last_claim_makes_of_its_inputs(self) -> None:
        steps = {step.id: step for step in self.stored()[1]}
        for step in steps.values():
            assert step.token >= self.tokens.get(step.id, 0)
            self.tokens[step.id] = step.token
            if step.status == "succeeded" and step.cached_from:
                assert step.outputs == steps[step.cached_from].outputs
            elif step.status == "succeeded" and step.token:
                data = self.blobs.get(step.outputs["result"].digest)
                assert data == self.bytes_of(step.id, step.token, self.inputs(step, steps))

    def inputs(self, step: StepRun, steps: dict[str, StepRun]) -> dict[str, str]:
        """The digests that a step was to be given."""
        return {
            name: step.items[name].digest
            if name in step.items
            else steps[f"{step.run}/{wire.node}"].outputs["result"].digest
            for name, wire in self.node(step, steps.values()).inputs.items()
            if isinstance(wire, Output)
        }

    @invariant()
    def no_claim_is_given_twice(self) -> None:
        assert len({(task.step_run, task.token) for task in self.given}) == len(self.given)

    @invariant()
    def what_has_ended_changes_only_when_somebody_retries_it(self) -> None:
        found, steps = self.stored()
        for run in found:
            if run.status not in ACTIVE:
                now = run, [step for step in steps if step.run == run.id]
                assert self.ended.setdefault(run.id, now) == now
            else:
                assert run.id not in self.ended

    @invariant()
    def a_list_holds_what_each_element_gave_in_order(self) -> None:
        steps = {step.id: step for step in self.stored()[1]}
        for step in steps.values():
            if step.name in ("spread", "again") and step.status == "succeeded":
                source = steps[f"{step.run}/{'load' if step.name == 'spread' else 'spread'}"]
                items = elements(source.outputs["result"], self.blobs)
                instances = [steps[f"{step.id}[{index}]"] for index in range(len(items))]
                whole = [{"row": item} for item in items] if step.name == "spread" else [{} for _ in items]
                assert [instance.items for instance in instances] == whole
                assert f"{step.id}[{len(items)}]" not in steps
                given = elements(step.outputs["result"], self.blobs)
                assert given == [instance.outputs["result"] for instance in instances]

    @invariant()
    def a_branch_runs_only_when_it_is_taken(self) -> None:
        steps = {step.id: step for step in self.stored()[1]}
        for step in steps.values():
            for branch in self.node(step, steps.values()).when:
                if step.status in ("queued", "running", "succeeded") and not branch.each:
                    condition = steps[f"{step.run}/{branch.condition.node}"]
                    assert truth(condition.outputs["result"]) is branch.taken

    @invariant()
    def a_step_begins_only_when_its_inputs_are_there(self) -> None:
        steps = {step.id: step for step in self.stored()[1]}
        for step in steps.values():
            if step.status in ("queued", "running", "succeeded"):
                node = self.node(step, steps.values())
                if node.kind == "choose":
                    node = replace(node, inputs={"condition": Output("good")})
                if node.over:  # what each element takes besides is there before the element begins
                    node = replace(node, inputs={name: node.inputs[name] for name in node.over})
                sources = [
                    steps[f"{step.run}/{s.node}"] for s in node.inputs.values() if isinstance(s, Output)
                ]
                assert [s.id for s in sources if s.status != "succeeded"] == [], step.id

    @invariant()
    def a_run_has_ended_when_and_only_when_its_steps_have(self) -> None:
        found, steps = self.stored()
        for run in found:
            statuses = {step.status for step in steps if step.run == run.id}
            assert (run.status in ACTIVE) == bool(statuses & {"waiting", "queued", "running"})
            assert (run.status == "succeeded") == (statuses <= {"succeeded", "skipped"})

    def teardown(self) -> None:
        """Left alone with willing workers, every run comes to its end."""
        for _ in range(60):
            self.machine.advance(LEASE / 4)
            for runs, executor, _ in self.processes:
                for task in executor.waiting():
                    executor.answer(self.result(task))
                runs.tick(self.clock.now())
        assert all(run.status not in ACTIVE for run in self.stored()[0])
        self.no_step_is_applied_twice()
        self.what_counts_is_what_the_last_claim_makes_of_its_inputs()


class TestRunsSurvive(RunsSurvive.TestCase):  # type: ignore[misc,name-defined]
    settings = settings(max_examples=150, stateful_step_count=50, deadline=None)


def test_on_postgresql_as_well(on_postgres: Callable[..., None]) -> None:
    on_postgres(RunsSurvive, examples=3, steps=30)


def test_of_two_processes_that_end_the_last_two_steps_at_once_one_ends_the_run() -> None:
    state = RunsSurvive()
    graph = Graph(
        pipeline="pair",
        target="p:pair",
        nodes=tuple(Node(name=name, kind="step", target=f"p:{name}") for name in "ab"),
    )
    (first, _, _), (second, _, _) = state.processes
    run = first.submit(
        project="p", pipeline="pair", environment="test", graph=graph, workspace=WORKSPACE, params={}
    )
    for runs, executor, _ in state.processes:
        executor.size = 1
        runs.tick(state.clock.now())
        [task] = executor.waiting()
        executor.answer(state.result(task))
    state.store.meanwhile = lambda: second.tick(state.clock.now())
    first.tick(state.clock.now())
    state.a_run_has_ended_when_and_only_when_its_steps_have()
    first.tick(state.clock.now())
    assert first.seen(run.id)[0].status == "succeeded"
