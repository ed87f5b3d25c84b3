from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib import metadata
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from penstock.core.errors import Conflict, Corrupt, InvalidValue
from penstock.datasets.types import Snapshot
from penstock.lineage.ports import Reader
from penstock.pipelines.types import Graph, Node, Options, Output, Param, Parameter, Value
from penstock.runs.drive import run_to_end
from penstock.runs.service import Runs
from penstock.runs.types import Artifact, Metric, Outcome, Run, StepRun, Task, Workspace
from penstock.testing.executors import FakeExecutor
from penstock.testing.fakes import FixedClock, MemoryBlobs, MemoryStore

WORKSPACE = Workspace(python="python", folder="/project", data_root="/data", lock="lock-1")


def chain(*, rate_code: str = "c1", retries: int = 0, cache: bool = True) -> Graph:
    """load -> fit(learning_rate) -> score"""
    return Graph(
        pipeline="train",
        target="p:train",
        parameters=(Parameter(name="learning_rate", type="float", default=0.1),),
        nodes=(
            Node(name="load", kind="step", target="p:load", code="c0"),
            Node(
                name="fit",
                kind="step",
                target="p:fit",
                inputs={"rows": Output("load"), "learning_rate": Param("learning_rate"), "depth": Value(3)},
                options=Options(retries=retries, cache=cache),
                code=rate_code,
            ),
            Node(name="score", kind="step", target="p:score", inputs={"model": Output("fit")}, code="c2"),
        ),
    )


class House:
    """Everything that runs need, and a person who answers for the workers."""

    def __init__(self, size: int = 2) -> None:
        self.store = MemoryStore()
        self.blobs = MemoryBlobs()
        self.clock = FixedClock()
        self.machine = FixedClock(datetime(2026, 1, 1, tzinfo=UTC))
        self.executor = FakeExecutor(size)
        self.runs = self.another(self.executor, "me")

    def another(self, executor: FakeExecutor, owner: str) -> Runs:
        return Runs(self.store, self.blobs, executor, self.clock, machine=self.machine, owner=owner)

    def submit(self, graph: Graph, workspace: Workspace = WORKSPACE, **params: Any) -> Run:
        return self.runs.submit(
            project="p", pipeline="train", environment="test", graph=graph, workspace=workspace, params=params
        )

    def tick(self) -> bool:
        return self.runs.tick(self.clock.now())

    def good(self, task: Task, text: str = "", **more: Any) -> Outcome:
        data = msgspec.json.encode(text or task.node.name)
        artifact = Artifact(digest=self.blobs.put(data), format="json", size=len(data))
        outputs = dict.fromkeys(task.node.outputs, artifact)
        return Outcome(step_run=task.step_run, token=task.token, outputs=outputs, **more)

    def finish(self, graph: Graph, **params: Any) -> Run:
        """A run whose every task goes well."""
        run = self.submit(graph, **params)
        while self.tick():
            for task in self.executor.waiting():
                self.executor.answer(self.good(task))
        return self.show(run)

    def show(self, run: Run) -> Run:
        with self.store.read() as reader:
            return reader.get(Run, run.id)

    def steps(self, run: Run) -> list[StepRun]:
        with self.store.read() as reader:
            return reader.find(StepRun, run=run.id)

    def step(self, run: Run, name: str) -> StepRun:
        return next(step for step in self.steps(run) if step.name == name)

    def only(self) -> Task:
        (task,) = self.executor.waiting()
        return task

    def kinds(self, run: Run) -> list[str]:
        with self.store.read() as reader:
            return [event.kind for event in reader.events(subject=f"run:{run.id}")]


@pytest.fixture
def house() -> House:
    return House()


@pytest.fixture
def reader(house: House) -> Iterator[Reader]:
    with house.store.read() as reader:
        yield reader


def test_steps_run_one_after_the_other_and_the_run_succeeds(house: House) -> None:
    run = house.finish(chain())
    assert run.status == "succeeded"
    assert [task.node.name for task in house.executor.started] == ["load", "fit", "score"]
    assert house.executor.started[1].values == {"learning_rate": 0.1, "depth": 3}
    assert house.kinds(run) == ["run.queued", "run.started", *["step.finished"] * 3, "run.succeeded"]


def test_a_run_that_was_asked_for_during_a_pass_does_not_begin_before_that(house: House) -> None:
    began = house.clock.now()
    house.clock.advance(timedelta(seconds=32))
    run = house.submit(chain())
    house.runs.tick(began)
    house.executor.answer(house.good(house.executor.waiting()[0]))
    house.runs.tick(began)
    shown, first = house.show(run), house.step(run, "load")
    assert run.created == shown.started == first.started == first.finished
    with house.store.read() as reader:
        assert {event.time for event in reader.events(subject=f"run:{run.id}")} == {run.created}


def test_every_event_names_what_queued_the_run_as_its_cause(house: House) -> None:
    run = house.finish(chain())
    with house.store.read() as reader:
        assert {event.cause for event in reader.events(after=run.event)} == {run.event}


def test_no_more_steps_are_claimed_than_the_executor_has_room_for(house: House) -> None:
    wide = Graph(
        pipeline="w",
        target="p:w",
        nodes=tuple(Node(name=f"s{i}", kind="step", target=f"p:s{i}") for i in range(5)),
    )
    house.submit(wide)
    house.tick()
    assert len(house.executor.waiting()) == 2


def test_a_second_run_takes_every_result_and_says_from_where(house: House) -> None:
    first = house.finish(chain())
    second = house.finish(chain())
    assert len(house.executor.started) == 3
    step = house.step(second, "fit")
    assert step.why == f"cached from run {first.id} because nothing it depends on changed"
    assert step.cached_from == f"{first.id}/fit"


def test_a_third_run_names_the_run_that_really_made_the_result(house: House) -> None:
    first = house.finish(chain())
    house.finish(chain())
    assert house.step(house.finish(chain()), "load").cached_from == f"{first.id}/load"


@pytest.mark.parametrize(
    ("graph", "lock", "params", "why"),
    [
        (chain(), "lock-1", {"learning_rate": 0.2}, "ran because learning_rate changed"),
        (chain(rate_code="c9"), "lock-1", {}, "ran because its code changed"),
        (
            chain(rate_code="c9"),
            "lock-1",
            {"learning_rate": 0.2},
            "ran because its code and learning_rate changed",
        ),
        (chain(cache=False), "lock-1", {}, "ran because it is declared with cache=False"),
    ],
)
def test_a_step_that_must_run_again_says_what_changed(
    house: House, graph: Graph, lock: str, params: dict[str, Any], why: str
) -> None:
    house.finish(chain())
    assert house.step(house.finish(graph, **params), "fit").why == why


def test_a_step_whose_input_has_other_bytes_runs_again(house: House) -> None:
    house.finish(chain())
    run = house.submit(replace(chain(), nodes=(replace(chain().nodes[0], code="new"), *chain().nodes[1:])))
    house.tick()
    house.executor.answer(house.good(house.only(), "other rows"))
    house.tick()
    assert house.step(run, "fit").why == "ran because input rows changed"


def test_other_dependencies_run_everything_again(house: House) -> None:
    house.finish(chain())
    run = house.submit(chain(), replace(WORKSPACE, lock="lock-2"))
    house.tick()
    assert house.step(run, "load").why == "ran because the dependencies changed"


def test_what_penstock_does_itself_runs_again_with_another_penstock_and_says_so(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = Node(name="publish", kind="publish", inputs={"model": Output("fit")}, settings={"model": "m"})
    graph = replace(chain(), nodes=(*chain().nodes, last))
    first = house.finish(graph)
    assert house.step(house.finish(graph), "publish").cached_from == f"{first.id}/publish"

    monkeypatch.setattr(metadata, "version", lambda _: "0.2.0")
    planned = house.runs.explain(graph, project="p", workspace=WORKSPACE, params={})
    assert [(e.step, e.outcome) for e in planned if e.outcome != "cached"] == [("publish", "runs")]
    assert planned[-1].why == "runs because Penstock itself changed"
    assert [(c.name, c.now) for c in planned[-1].changes] == [("Penstock itself", "0.2.0")]
    run = house.finish(graph)
    assert house.step(run, "publish").why == "ran because Penstock itself changed"
    assert house.step(run, "score").cached_from == f"{first.id}/score"


def test_a_result_whose_bytes_are_gone_is_made_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.finish(chain())
    monkeypatch.setattr(house.blobs, "has", lambda _: False)
    assert house.step(house.finish(chain()), "load").why == "ran because its result of run 1 is gone"


def test_a_result_whose_bytes_are_damaged_is_made_again_and_said_to_be(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(_: str) -> bytes:
        raise Corrupt

    house.finish(chain())
    house.finish(chain(), learning_rate=0.2)
    monkeypatch.setattr(house.blobs, "has", lambda _: False)
    monkeypatch.setattr(house.blobs, "get", damaged)
    planned = house.runs.explain(chain(), project="p", workspace=WORKSPACE, params={})
    assert [step.why for step in planned][:1] == ["runs because its result of run 2 is damaged"]
    run = house.finish(chain())
    assert house.step(run, "load").why == "ran because its result of run 2 is damaged"
    assert house.step(run, "fit").why == "ran because its result of run 1 is damaged"


def test_what_a_step_measured_is_kept_and_comes_along_with_its_cached_result(house: House) -> None:
    for _ in range(2):
        run = house.submit(chain())
        while house.tick():
            for task in house.executor.waiting():
                house.executor.answer(house.good(task, metrics=(("loss", 0.5, 0), ("loss", float("nan"), 1))))
    with house.store.read() as reader:
        found = reader.find(Metric, run=run.id, step="fit")
    assert [(m.id, m.value) for m in found] == [(f"{run.id}/fit/loss/0", 0.5)]


def test_a_snapshot_that_was_read_is_kept_once_and_read_anew_by_every_run(house: House) -> None:
    read = Snapshot(
        id="s1",
        source="flights",
        as_of=house.clock.now(),
        first=None,
        last=None,
        rows=0,
        quarantined=0,
        columns=(),
        digest="d",
    )
    graph = Graph(
        pipeline="train",
        target="p:t",
        nodes=(Node(name="flights.snapshot", kind="snapshot", outputs=("rows",), settings={"source": {}}),),
    )
    for _ in range(2):
        run = house.submit(graph)
        house.tick()
        outcome = house.good(house.only())
        artifact = replace(outcome.outputs["rows"], meta={"snapshot": msgspec.to_builtins(read)})
        house.executor.answer(replace(outcome, outputs={"rows": artifact}))
        house.tick()
    assert house.step(run, "flights.snapshot").why == "ran because a source is always read anew"
    with house.store.read() as reader:
        assert reader.find(Snapshot) == [read]


def test_an_error_is_tried_again_as_often_as_declared_and_then_fails_the_run(house: House) -> None:
    run = house.submit(replace(chain(retries=1), nodes=chain(retries=1).nodes))
    house.tick()
    house.executor.answer(house.good(house.only()))
    for _ in range(2):
        house.tick()
        task = house.only()
        house.executor.answer(Outcome(step_run=task.step_run, token=task.token, error="ValueError: no rows"))
    house.tick()
    failed = house.show(run)
    assert (failed.status, failed.error) == ("failed", "fit failed: ValueError: no rows")
    assert house.step(run, "fit").attempt == 2
    score = house.step(run, "score")
    assert (score.status, score.why) == ("skipped", "skipped because fit failed")


def test_a_lost_worker_costs_an_attempt_and_the_third_loss_fails_the_step(house: House) -> None:
    run = house.submit(chain())
    for losses in (1, 2, 3):
        house.tick()
        task = house.only()
        house.executor.answer(Outcome(step_run=task.step_run, token=task.token, lost=True, error="killed"))
        house.tick() if losses == 3 else None
    assert house.show(run).error == "load failed: killed"
    assert house.step(run, "load").losses == 3


def test_a_result_that_comes_twice_or_too_late_is_refused(house: House) -> None:
    run = house.submit(chain())
    house.tick()
    first = house.only()
    house.executor.answer(Outcome(step_run=first.step_run, token=first.token, lost=True, error="killed"))
    house.tick()
    house.executor.answer(house.good(first, "late"))
    assert not house.tick()
    assert house.step(run, "load").status == "running"
    second = house.only()
    house.executor.answer(house.good(second))
    house.executor.answer(house.good(second, "twice"))
    house.tick()
    assert house.kinds(run).count("step.finished") == 1


def test_a_claim_is_renewed_while_its_task_runs_and_taken_over_when_its_owner_is_silent(house: House) -> None:
    other = FakeExecutor()
    runs = house.another(other, "other")
    run = house.submit(chain())
    house.tick()
    for _ in range(3):
        house.machine.advance(timedelta(seconds=20))
        house.tick()
        assert not runs.tick(house.clock.now())
    house.machine.advance(timedelta(seconds=40))
    runs.tick(house.clock.now())
    assert house.step(run, "load").lease.owner == "other"  # type: ignore[union-attr]
    while house.tick():  # finds out when it wants to renew its claim
        pass
    house.tick()
    assert house.executor.cancelled == [f"{run.id}/load"]


@pytest.mark.parametrize("holder_lives", [True, False])
def test_a_clock_that_is_set_back_makes_no_claim_longer(house: House, holder_lives: bool) -> None:
    runs = house.another(FakeExecutor(), "other")
    run = house.submit(chain())
    house.tick()
    house.machine.advance(-timedelta(days=1))
    runs.tick(house.clock.now())
    for _ in range(4):
        house.machine.advance(timedelta(seconds=14))
        if holder_lives:
            house.tick()
        runs.tick(house.clock.now())
    lease = house.step(run, "load").lease
    assert lease is not None
    assert lease.owner == ("me" if holder_lives else "other")


def test_what_a_dead_process_had_claimed_is_put_back_at_once(house: House) -> None:
    run = house.submit(chain())
    house.tick()
    after = house.another(FakeExecutor(), "after")
    assert not after.recover(lambda owner: owner == "after")
    assert after.recover(lambda _: True)
    assert not after.recover(lambda _: True)
    step = house.step(run, "load")
    assert (step.status, step.losses, step.token) == ("queued", 0, 1)


def test_cancelling_ends_the_tasks_and_nothing_that_comes_later_counts(house: House) -> None:
    run = house.submit(chain())
    house.tick()
    task = house.only()
    assert house.runs.cancel(run.id, actor="ada").error == "cancelled by ada"
    house.tick()
    assert house.executor.cancelled == [task.step_run]
    house.executor.answer(house.good(task))
    house.tick()
    assert {step.status for step in house.steps(run)} == {"cancelled"}
    with pytest.raises(Conflict, match="already cancelled"):
        house.runs.cancel(run.id)


def test_retrying_keeps_what_was_finished(house: House) -> None:
    run = house.submit(chain())
    house.tick()
    house.executor.answer(house.good(house.only()))
    house.tick()
    task = house.only()
    house.executor.answer(Outcome(step_run=task.step_run, token=task.token, error="no"))
    house.tick()
    house.runs.retry(run.id)
    house.tick()
    assert house.only().step_run == f"{run.id}/fit"
    with pytest.raises(Conflict, match="cannot be retried"):
        house.runs.retry(run.id)


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"learning_rat": 0.1}, "Did you mean `learning_rate`?"),
        ({"learning_rate": "fast"}, "expected a value of type float; found 'fast'"),
        ({"learning_rate": True}, "expected a value of type float; found True"),
    ],
)
def test_a_wrong_parameter_is_refused_and_leaves_no_run(
    house: House, params: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(InvalidValue, match=sentence.replace("?", r"\?")):
        house.submit(chain(), **params)
    with house.store.read() as reader:
        assert reader.count(Run) == 0


def test_a_missing_parameter_is_refused(house: House) -> None:
    graph = replace(chain(), parameters=(Parameter(name="learning_rate", type="float", required=True),))
    with pytest.raises(InvalidValue, match="needs the parameter `learning_rate`"):
        house.submit(graph)


def test_a_run_joins_the_open_transaction_of_whoever_asked_for_it(house: House) -> None:
    def ask_and_fail() -> None:
        with house.store.begin() as tx:
            house.runs.submit(
                project="p",
                pipeline="train",
                environment="test",
                graph=chain(),
                workspace=WORKSPACE,
                params={},
                tx=tx,
            )
            raise RuntimeError

    with pytest.raises(RuntimeError):
        ask_and_fail()
    with house.store.read() as reader:
        assert reader.count(Run) == 0


def test_a_run_without_steps_succeeds(house: House) -> None:
    assert house.finish(Graph(pipeline="none", target="p:none")).status == "succeeded"


def test_explaining_says_beforehand_what_would_be_cached_and_what_would_run(house: House) -> None:
    def outcomes(graph: Graph, **params: Any) -> list[tuple[str, str]]:
        found = house.runs.explain(graph, project="p", workspace=WORKSPACE, params=params)
        return [(e.outcome, e.why) for e in found]

    assert outcomes(chain()) == [("runs", "runs because it has no earlier result")] * 3
    run = house.finish(chain())
    assert {outcome for outcome, _ in outcomes(chain())} == {"cached"}
    assert outcomes(chain(), learning_rate=0.5) == [
        ("cached", f"cached from run {run.id} because nothing it depends on changed"),
        ("runs", "runs because learning_rate changed"),
        ("depends", "runs unless fit gives what it gave before"),
    ]


def test_driving_a_run_tells_of_each_change_and_gives_the_ended_run(house: House) -> None:
    class Willing(FakeExecutor):
        def finished(self, timeout: float) -> Any:
            for task in self.waiting():
                self.answer(house.good(task))
            return super().finished(timeout)

    house.runs = house.another(Willing(), "willing")
    run = house.submit(chain())
    seen: list[int] = []
    ended = run_to_end(
        house.runs,
        run.id,
        house.clock,
        lambda _, steps: seen.append(sum(s.status == "succeeded" for s in steps)),
    )
    assert ended.status == "succeeded"
    assert seen == [0, 1, 2, 3]
