"""Which steps start when: room, priority, concurrency, and rest after errors."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from penstock.core.errors import Conflict, InvalidPipeline
from penstock.pipelines.types import Graph, Node, Options, Output
from penstock.runs.decide import MAX_REST
from penstock.runs.room import Room
from penstock.runs.service import LEASE, Runs
from penstock.runs.types import Artifact, Outcome, Run, StepRun, Task, Workspace
from penstock.testing.executors import FakeExecutor
from penstock.testing.fakes import FixedClock, MemoryBlobs, MemoryStore

WORKSPACE = Workspace(python="python", folder="/project", data_root="/data", lock="lock")


ROOM = Room(cpus=4, gpus=1, memory=8_000_000_000)


class House:
    """Runs with room for four CPUs, one GPU and eight bytes of memory."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.blobs = MemoryBlobs()
        self.clock = FixedClock()
        self.machine = FixedClock()
        self.executor = FakeExecutor(size=9, room=ROOM)
        self.runs = self.another(self.executor, "host:1")

    def another(self, executor: FakeExecutor, owner: str) -> Runs:
        return Runs(
            self.store,
            self.blobs,
            executor,
            self.clock,
            machine=self.machine,
            owner=owner,
        )

    def submit(self, *wanted: Options, name: str = "train", concurrency: int = 0, **more: Any) -> Run:
        nodes = tuple(
            Node(name=f"s{i}", kind="step", target=f"p:s{i}", options=options)
            for i, options in enumerate(wanted)
        )
        nodes += more.pop("more", ())
        graph = Graph(pipeline=name, target=f"p:{name}", nodes=nodes, concurrency=concurrency)
        asked = {"project": "p", "environment": "test", **more}
        return self.runs.submit(pipeline=name, graph=graph, workspace=WORKSPACE, params={}, **asked)

    def tick(self, runs: Runs | None = None) -> bool:
        return (runs or self.runs).tick(self.clock.now())

    def tick_while(self, something: Callable[[], object]) -> None:
        """A tick of this process, between whose reading and writing something happens."""
        begin, meanwhile = self.store.begin, [something]

        def interrupted() -> Any:
            while meanwhile:
                meanwhile.pop()()
            return begin()

        self.store.begin = interrupted  # type: ignore[method-assign]
        self.tick()

    def started(self) -> list[str]:
        return [task.step_run for task in self.executor.started]

    def answer(self, error: str = "", raised: tuple[str, ...] = ()) -> None:
        for task in self.executor.waiting():
            self.executor.answer(
                Outcome(step_run=task.step_run, token=task.token, error=error, raised=raised)
            )
        self.tick()

    def step(self, run: Run, name: str = "s0") -> StepRun:
        with self.store.read() as reader:
            return reader.get(StepRun, f"{run.id}/{name}")

    def show(self, run: Run) -> Run:
        with self.store.read() as reader:
            return reader.get(Run, run.id)


def result(house: House, task: Task) -> Outcome:
    artifact = Artifact(digest=house.blobs.put(b"1"), format="json", size=1)
    return Outcome(step_run=task.step_run, token=task.token, outputs={"result": artifact})


@pytest.fixture
def house() -> House:
    return House()


def uncached(**wanted: Any) -> Options:
    return Options(cache=False, **wanted)


def test_steps_start_as_far_as_there_is_room(house: House) -> None:
    run = house.submit(uncached(cpus=3), uncached(cpus=2), uncached(cpus=1, memory=1))
    house.tick()
    assert house.started() == [f"{run.id}/s0"]
    house.answer()
    assert house.started()[1:] == [f"{run.id}/s1", f"{run.id}/s2"]


def test_what_another_process_of_the_host_does_takes_room_too(house: House) -> None:
    other, far = FakeExecutor(room=ROOM), FakeExecutor(room=ROOM)
    house.submit(uncached(cpus=3))
    house.tick()
    house.submit(uncached(cpus=3))
    house.tick(house.another(other, "host:2"))
    assert not other.started
    house.tick(house.another(far, "elsewhere:3"))
    assert len(far.started) == 1


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        (
            Options(memory=64_000_000_000),
            "The step `s0` can never run here: expected at most 8 GB of memory, which is all there is",
        ),
        (Options(cpus=5), "expected at most 4 CPUs, which is all there is; found 5"),
        (Options(gpus=2), "expected at most 1 GPUs, which is all there is; found 2"),
    ],
)
def test_a_step_that_can_never_fit_is_refused_at_once(house: House, wanted: Options, sentence: str) -> None:
    with pytest.raises(InvalidPipeline, match=sentence.replace("`", ".")):
        house.submit(wanted)
    with house.store.read() as reader:
        assert reader.count(Run) == 0


def test_runs_of_higher_priority_come_first_whenever_they_were_submitted(house: House) -> None:
    house.submit(uncached(cpus=4))
    house.tick()
    low = house.submit(uncached(cpus=4))
    high = house.submit(uncached(cpus=4), priority=100)
    house.answer()
    assert house.started()[-1] == f"{high.id}/s0"
    house.answer()
    assert house.started()[-1] == f"{low.id}/s0"


def test_what_two_runs_need_is_made_once(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = house.submit(Options()), house.submit(Options())
    house.tick()
    assert house.started() == [f"{first.id}/s0"]
    assert house.step(second).status == "waiting"
    patience: list[float] = []
    finished = house.executor.finished

    def asked(timeout: float) -> Sequence[Outcome]:
        patience.append(timeout)
        return finished(timeout)

    monkeypatch.setattr(house.executor, "finished", asked)
    house.runs.wait(3600)
    assert patience == [3600]  # for the first run; the second one can do nothing
    house.answer()
    house.runs.wait(3600)
    assert patience[-1] == 0  # the second one can go on at once
    house.tick()
    assert house.step(second).cached_from == f"{first.id}/s0"
    assert len(house.started()) == 1


@pytest.mark.parametrize("how", ["failed", "cancelled"])
def test_what_was_waited_for_in_vain_is_taken_over(house: House, how: str) -> None:
    first, second = house.submit(Options()), house.submit(Options())
    house.tick()
    if how == "failed":
        house.answer(error="it broke")
    else:
        house.runs.cancel(first.id)
    house.tick()
    assert house.show(first).status == how
    assert house.started() == [f"{first.id}/s0", f"{second.id}/s0"]


def test_what_is_the_same_in_one_run_is_made_once(house: House) -> None:
    same = Node(name="a", kind="step")
    graph = Graph(pipeline="p", target="p:p", nodes=(same, replace(same, name="b")))
    run = house.runs.submit(
        project="p", pipeline="p", environment="test", graph=graph, workspace=WORKSPACE, params={}
    )
    house.tick()
    house.answer()
    house.tick()
    assert house.show(run).status == "succeeded"
    assert house.started() == [f"{run.id}/a"]


def test_a_pipeline_has_no_more_runs_under_way_than_it_allows(house: House) -> None:
    first = house.submit(uncached(), concurrency=1)
    second = house.submit(uncached(), concurrency=1)
    elsewhere = house.submit(uncached(), concurrency=1, environment="production")
    other = house.submit(uncached(), name="score")
    house.tick()
    assert house.started() == [f"{run.id}/s0" for run in (first, elsewhere, other)]
    assert house.show(second).status == "queued"
    house.answer()
    house.tick()
    assert house.started()[-1] == f"{second.id}/s0"


def test_two_processes_at_once_keep_to_the_limit_together(house: House) -> None:
    other = house.another(FakeExecutor(room=ROOM), "other:2")
    house.submit(uncached(), concurrency=1)
    house.submit(uncached(), concurrency=1, priority=1)  # what this process would begin
    house.tick_while(lambda: house.tick(other))
    with house.store.read() as reader:
        assert reader.count(Run, status="running") == 1


def test_what_another_process_of_the_host_claims_meanwhile_takes_room(house: House) -> None:
    executor = FakeExecutor(size=1)
    other = house.another(executor, "host:2")
    last = Node(name="last", kind="step", options=uncached(cpus=4), inputs={"x": Output("s0")})
    house.submit(uncached(cpus=2), more=(last,))
    house.tick(other)
    run = house.submit(uncached(cpus=1))
    house.tick(other)
    (task,) = executor.waiting()
    executor.answer(result(house, task))
    house.tick_while(lambda: house.tick(other))
    assert house.started() == []
    executor.answer(result(house, executor.waiting()[0]))
    house.tick(other)
    house.tick()
    assert [task.step_run for task in executor.started[2:]] + house.started() == [f"{run.id}/s0"]


def test_no_room_is_taken_that_another_process_did_not_give_up(house: House) -> None:
    executor = FakeExecutor(size=1)
    other = house.another(executor, "host:2")
    house.submit(uncached(cpus=4))
    house.tick(other)
    house.submit(uncached(cpus=4), priority=1)
    house.tick(other)
    house.machine.advance(2 * LEASE)
    house.tick_while(lambda: house.tick(other))  # renews the claim that this process takes for lost
    assert house.started() == []


def test_an_error_is_tried_again_after_a_rest_that_doubles(house: House) -> None:
    run = house.submit(Options(retries=3, backoff=10))
    house.tick()
    for seconds in (10, 20, 40):
        house.answer("ConnectionError: no route")
        assert not house.executor.waiting()
        house.machine.advance(timedelta(seconds=seconds - 1))
        house.tick()
        assert not house.executor.waiting()
        house.machine.advance(timedelta(seconds=1))
        house.tick()
        assert house.executor.waiting()
    house.answer("ConnectionError: no route")
    assert (house.show(run).status, house.step(run).errors) == ("failed", 4)


def test_a_rest_has_an_end_also_when_the_clock_was_set_back(house: House) -> None:
    run = house.submit(Options(retries=60, backoff=3600))
    house.tick()
    house.answer("no")
    assert house.step(run).not_before == house.machine.now() + MAX_REST
    house.machine.advance(-timedelta(days=1))
    house.tick()
    assert house.executor.waiting()


def test_only_named_errors_are_tried_again(house: House) -> None:
    patient = Options(retries=2, retry_on=("OSError",))
    run = house.submit(patient)
    house.tick()
    house.answer("ConnectionError: no route", raised=("ConnectionError", "OSError", "Exception"))
    house.tick()
    house.answer("ValueError: no rows", raised=("ValueError", "Exception"))
    assert house.show(run).error == "s0 failed: ValueError: no rows"
    assert house.step(run).attempt == 2


def test_a_lost_worker_is_replaced_at_once_and_whatever_is_named(house: House) -> None:
    house.submit(Options(retries=1, retry_on=("OSError",), backoff=600))
    house.tick()
    (task,) = house.executor.waiting()
    house.executor.answer(Outcome(step_run=task.step_run, token=task.token, error="killed", lost=True))
    house.tick()
    assert house.executor.waiting()


def test_a_run_whose_results_are_gone_cannot_go_on(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    run = house.submit(Options(), Options())
    house.tick()
    for task in house.executor.waiting():
        house.executor.answer(failed(task) if task.node.name == "s1" else done(house, task))
    house.tick()
    monkeypatch.setattr(house.blobs, "has", lambda _: False)
    with pytest.raises(Conflict, match=f"Run {run.id} cannot go on from where it failed: the result of `s0`"):
        house.runs.retry(run.id)


def failed(task: Task) -> Outcome:
    return Outcome(step_run=task.step_run, token=task.token, error="no")


def done(house: House, task: Task) -> Outcome:
    artifact = Artifact(digest=house.blobs.put(b"1"), format="json", size=1)
    return replace(failed(task), error="", outputs={"result": artifact})


def test_options_are_read_from_the_decorators(tmp_path: Path) -> None:
    (tmp_path / "asked.py").write_text(
        "from penstock import pipeline, step\n"
        "@step(retries=3, retry_on=('ConnectionError',), backoff='10s')\n"
        "def load() -> int: return 1\n"
        "@pipeline(concurrency=1)\n"
        "def train(): return load()\n"
    )
    spec = importlib.util.spec_from_file_location("asked", tmp_path / "asked.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.load.options == Options(retries=3, retry_on=("ConnectionError",), backoff=10.0)
    assert module.train.concurrency == 1
