"""Graphs whose shape is known only while they run: lists are gone over, branches taken or skipped."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from penstock import choose, each, pipeline, step
from penstock.adapters.executors.inline import InlineExecutor
from penstock.pipelines.types import Graph
from penstock.runs.drive import run_to_end
from penstock.runs.service import Runs
from penstock.runs.types import Artifact, Run, StepRun, Task, Workspace
from penstock.testing.fakes import FixedClock, MemoryBlobs, MemoryStore


class Ends(NamedTuple):
    first: int
    last: int


@step
def numbers(text: str) -> Any:
    return msgspec.json.decode(text)


@step
def inverse(number: int, over: int = 12) -> int:
    return over // number


@step(outputs=("first", "last"))
def ends(number: int) -> Ends:
    return Ends(number // 10, number % 10)


@step
def total(values: list[int]) -> int:
    return sum(values)


@step
def above(value: int, bound: int) -> bool:
    return value > bound


@step
def same(value: int) -> int:
    return value


@step
def name(value: int) -> str:
    return f"is {value}"


@step
def fail(value: int) -> str:
    raise RuntimeError("this branch must not run")


@pipeline
def spread(text: str, over: int = 12) -> object:
    return total(each(inverse, number=numbers(text), over=over))


@pipeline
def twice(text: str) -> object:
    return total(each(inverse, number=each(inverse, number=numbers(text))))


@pipeline
def parted(text: str) -> object:
    both = each(ends, number=numbers(text))
    return total(both.first), total(both.last)


@pipeline
def written() -> object:
    return total(each(inverse, number=[1, 2, 3]))


@pipeline
def judged(text: str, bound: int = 5) -> object:
    value = total(numbers(text))
    return name(choose(above(value, bound), lambda: value, lambda: same(bound)))


@pipeline
def guarded(text: str, bound: int = 5, careful: bool = False) -> object:
    value = total(numbers(text))
    return choose(careful, choose(above(value, bound), fail(value), name(value)), None)


@pipeline
def neither(text: str) -> object:
    value = total(numbers(text))
    return choose(value, lambda: fail(value))  # type: ignore[arg-type]


class Watched(InlineExecutor):
    """Keeps every task that it was given."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.started: list[Task] = []

    def start(self, task: Task) -> None:
        self.started.append(task)
        super().start(task)


@pipeline
def in_step(first: str, second: str) -> object:
    return total(each(inverse, "number", "over", number=numbers(first), over=numbers(second)))


@pipeline
def prepared(value: int, bound: int = 5) -> object:
    """What is done for one element: a step, then one of two ways of its own."""
    twelfth = inverse(value)
    large = above(twelfth, bound)
    return choose(large, lambda: name(twelfth), lambda: name(bound))


@pipeline
def each_whole(text: str, bound: int = 5) -> object:
    return gathered(each(nested, value=numbers(text), bound=bound))


@pipeline
def nested(value: int, bound: int = 5) -> object:
    return prepared(same(value), bound=bound)


@step
def gathered(words: list[str]) -> str:
    return ", ".join(words)


class House:
    def __init__(self, folder: Path) -> None:
        self.workspace = Workspace(
            python=sys.executable, folder=str(folder), data_root=str(folder), lock="lock-1"
        )
        self.store = MemoryStore()
        self.blobs = MemoryBlobs()
        self.clock = FixedClock()
        self.executor = Watched(logs=folder, blobs=self.blobs)
        self.runs = Runs(self.store, self.blobs, self.executor, self.clock)

    def finish(self, graph: Graph, **params: Any) -> Run:
        return run_to_end(self.runs, self.submit(graph, **params).id, self.clock)

    def submit(self, graph: Graph, **params: Any) -> Run:
        return self.runs.submit(
            project="p",
            pipeline=graph.pipeline,
            environment="test",
            graph=graph,
            workspace=self.workspace,
            params=params,
        )

    def steps(self, run: Run) -> dict[str, StepRun]:
        with self.store.read() as reader:
            return {step.name: step for step in reader.find(StepRun, run=run.id)}

    def value(self, run: Run, step: str, output: str = "result") -> Any:
        return self.read(self.steps(run)[step].outputs[output])

    def read(self, artifact: Artifact) -> Any:
        data = msgspec.json.decode(self.blobs.get(artifact.digest))
        if artifact.format == "list":
            return [self.read(msgspec.convert(element, Artifact)) for element in data]
        return data

    def plan(self, graph: Graph, **params: Any) -> dict[str, str]:
        found = self.runs.explain(graph, project="p", workspace=self.workspace, params=params)
        return {e.step: e.outcome for e in found}

    def ran(self, run: Run) -> list[str]:
        return [
            t.step_run.partition("/")[2] for t in self.executor.started if t.step_run.startswith(f"{run.id}/")
        ]


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def test_a_step_runs_once_for_each_element_and_the_results_come_back_in_order(house: House) -> None:
    run = house.finish(spread.draw(), text="[1, 3, 2]")
    assert run.status == "succeeded"
    assert house.value(run, "inverse") == [12, 4, 6]
    assert house.value(run, "total") == 22
    assert house.ran(run) == ["numbers", "inverse[0]", "inverse[1]", "inverse[2]", "total"]


def test_an_empty_list_gives_an_empty_list(house: House) -> None:
    run = house.finish(spread.draw(), text="[]")
    assert (house.value(run, "inverse"), house.value(run, "total")) == ([], 0)
    assert house.steps(run)["inverse"].why == "went over the 0 elements of number"


@pytest.mark.parametrize(("graph", "params", "result"), [(twice, {"text": "[1, 6]"}, 7), (written, {}, 22)])
def test_a_list_may_come_from_another_list_or_be_written_down(
    house: House, graph: Any, params: dict[str, Any], result: int
) -> None:
    assert house.value(house.finish(graph.draw(), **params), "total") == result


def test_several_lists_are_gone_over_in_step(house: House) -> None:
    run = house.finish(in_step.draw(), first="[1, 2, 3]", second="[4, 8, 9]")
    assert house.value(run, "inverse") == [4, 4, 3]
    assert house.steps(run)["inverse"].why == "went over the 3 elements of number and over"
    assert [s.name for s in house.steps(run).values() if s.items] == [f"inverse[{i}]" for i in range(3)]


def test_lists_of_unequal_length_are_refused(house: House) -> None:
    run = house.finish(in_step.draw(), first="[1, 2, 3]", second="[4]")
    assert run.error == (
        "inverse failed: `inverse` cannot go over its lists in step: "
        "expected lists of equal length; found 3 in number, 1 in over."
    )


def test_a_whole_pipeline_runs_for_each_element_and_every_element_goes_its_own_way(house: House) -> None:
    run = house.finish(each_whole.draw(), text="[1, 6, 3]")
    assert (run.status, house.value(run, "gathered")) == ("succeeded", "is 12, is 5, is 5")
    steps = house.steps(run)
    assert steps["nested.prepared.name[1]"].why == "skipped because nested.prepared.above[1] is false"
    assert house.value(run, "nested.prepared.name") == ["is 12"]
    again = house.finish(each_whole.draw(), text="[2, 6]")
    assert house.ran(again) == [
        "numbers",
        "nested.same[0]",
        "nested.prepared.inverse[0]",
        "nested.prepared.above[0]",
        "nested.prepared.name[0]",
        "gathered",
    ]


def test_an_element_goes_on_before_the_others_are_ready(house: House) -> None:
    run = house.finish(twice.draw(), text="[6, 0, 1]")
    assert run.error.startswith("inverse[1] failed: ZeroDivisionError")
    steps = house.steps(run)
    assert [steps[f"inverse-2[{index}]"].status for index in range(3)] == [
        "succeeded",
        "skipped",
        "succeeded",
    ]
    assert steps["inverse-2[1]"].why == "skipped because inverse[1] failed"
    house.runs.retry(run.id)
    assert run_to_end(house.runs, run.id, house.clock).status == "failed"
    assert house.ran(run).count("inverse-2[0]") == 1


def test_a_pipeline_over_an_empty_list_gives_an_empty_list(house: House) -> None:
    run = house.finish(each_whole.draw(), text="[]")
    assert (run.status, house.value(run, "gathered")) == ("succeeded", "")


def test_a_plan_of_a_pipeline_for_each_element_says_it_for_each(house: House) -> None:
    graph = each_whole.draw()
    house.finish(graph, text="[1, 6]")
    assert set(house.plan(graph, text="[1, 6]").values()) == {"cached", "skipped"}
    plan = house.plan(graph, text="[1, 6]", bound=20)
    assert plan["nested.same[1]"] == "cached"
    assert (plan["nested.prepared.above[0]"], plan["gathered"]) == ("runs", "depends")


def test_several_outputs_are_several_lists(house: House) -> None:
    run = house.finish(parted.draw(), text="[12, 34]")
    assert (house.value(run, "total"), house.value(run, "total-2")) == (4, 6)


def test_only_elements_that_are_new_run_wherever_they_stand(house: House) -> None:
    house.finish(spread.draw(), text="[1, 3]")
    again = house.finish(spread.draw(), text="[3, 4, 1]")
    assert house.ran(again) == ["numbers", "inverse[1]", "total"]
    assert house.steps(again)["inverse[0]"].cached_from == "1/inverse[1]"
    assert house.value(again, "inverse") == [4, 3, 12]


def test_an_element_that_fails_fails_the_run_and_retrying_keeps_the_others(house: House) -> None:
    run = house.finish(spread.draw(), text="[1, 0, 2]")
    assert run.error.startswith("inverse[1] failed: ZeroDivisionError")
    assert house.steps(run)["inverse"].why == "skipped because inverse[1] failed"
    assert house.steps(run)["inverse[2]"].status == "succeeded"
    house.runs.retry(run.id)
    again = run_to_end(house.runs, run.id, house.clock)
    assert house.ran(run).count("inverse[1]") == 2
    assert house.ran(run).count("inverse[2]") == 1
    assert (again.status, len(house.steps(run))) == ("failed", 6)


@pytest.mark.parametrize("text", ["{}", "3", '"abc"'])
def test_what_is_no_list_is_refused_where_it_is_gone_over(house: House, text: str) -> None:
    run = house.finish(spread.draw(), text=text)
    assert run.error.startswith("inverse failed: `inverse` cannot go over `number`: expected a list; found")


def test_a_list_one_of_whose_elements_is_gone_is_made_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = house.finish(spread.draw(), text="[1, 2]")
    lost = house.steps(first)["inverse[1]"].outputs["result"].digest
    monkeypatch.setattr(house.blobs, "has", lambda digest: digest != lost)
    assert house.ran(house.finish(spread.draw(), text="[1, 2]")) == ["inverse[1]"]


@pytest.mark.parametrize(("text", "result", "skipped"), [("[9]", "is 9", "same"), ("[1]", "is 5", "")])
def test_only_the_branch_that_is_taken_runs(house: House, text: str, result: str, skipped: str) -> None:
    run = house.finish(judged.draw(), text=text)
    assert (run.status, house.value(run, "name")) == ("succeeded", result)
    assert [s.name for s in house.steps(run).values() if s.status == "skipped"] == [skipped] * bool(skipped)


def test_what_only_a_branch_uses_runs_only_with_it(house: House) -> None:
    idle = house.finish(guarded.draw(), text="[9]")
    assert (house.ran(idle), house.value(idle, "choose-2")) == ([], None)
    run = house.finish(guarded.draw(), text="[1]", careful=True)
    assert (house.ran(run), house.value(run, "choose-2")) == (["numbers", "total", "above", "name"], "is 1")
    assert house.steps(run)["fail"].why == "skipped because above is false"
    failed = house.finish(guarded.draw(), text="[9]", careful=True)
    assert failed.error.startswith("fail failed: RuntimeError: this branch must not run")


def test_a_condition_that_is_neither_true_nor_false_fails_the_choice_and_runs_no_branch(house: House) -> None:
    run = house.finish(neither.draw(), text="[1]")
    assert run.error.endswith("expected true or false; found total is neither true nor false.")
    assert house.steps(run)["fail"].status == "skipped"


def test_a_list_that_is_put_together_after_a_retry_still_says_what_was_gone_over(house: House) -> None:
    run = house.submit(spread.draw(), text="[1, 2]")
    while "inverse[1]" not in house.steps(run):
        house.runs.tick(house.clock.now())
    house.runs.cancel(run.id)
    house.runs.retry(run.id)
    assert run_to_end(house.runs, run.id, house.clock).status == "succeeded"
    assert house.steps(run)["inverse"].why == "went over the 2 elements of number"


def test_a_choice_is_made_anew_when_a_run_is_tried_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = house.submit(judged.draw(), text="[9]")
    house.runs.tick(house.clock.now())
    house.runs.cancel(run.id)
    house.runs.retry(run.id)
    assert run_to_end(house.runs, run.id, house.clock).status == "succeeded"
    assert house.steps(run)["same"].status == "skipped"


def test_a_plan_goes_over_known_lists_and_says_which_elements_are_cached(house: House) -> None:
    graph = spread.draw()
    assert house.plan(graph, text="[1]") == {"numbers": "runs", "inverse": "runs", "total": "runs"}
    house.finish(graph, text="[1, 2]")
    assert set(house.plan(graph, text="[1, 2]").values()) == {"cached"}
    assert house.plan(graph, text="[3]") == {"numbers": "runs", "inverse": "depends", "total": "depends"}
    assert house.plan(graph, text="[1, 2]", over=6) == {
        "numbers": "cached",
        "inverse": "runs",
        "inverse[0]": "runs",
        "inverse[1]": "runs",
        "total": "depends",
    }
    assert len(house.runs.explain(written.draw(), project="p", workspace=house.workspace, params={})) == 5


def test_a_plan_says_what_is_skipped_and_what_differs_exactly(house: House) -> None:
    graph = judged.draw()
    house.finish(graph, text="[9]")
    assert house.plan(graph, text="[9]")["same"] == "skipped"
    found = house.runs.explain(
        graph, project="p", workspace=house.workspace, params={"text": "[9]", "bound": 7}
    )
    (above_,) = [e for e in found if e.step == "above"]
    assert [(c.name, c.before, c.now) for c in above_.changes] == [("bound", 5, 7)]
    (branch,) = [e for e in found if e.step == "same"]
    assert (branch.outcome, branch.why) == ("depends", "runs only if above is false")


@pytest.mark.parametrize("call", [lambda: each(inverse, number=[1, 2]), lambda: choose(True, [12, 6])])
def test_outside_a_pipeline_the_words_are_a_loop_and_an_if(call: Callable[[], list[int]]) -> None:
    assert call() == [12, 6]
