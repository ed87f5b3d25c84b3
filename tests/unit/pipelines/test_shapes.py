"""What `each`, `choose` and pipelines in pipelines draw, and what they refuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from penstock import Metrics, choose, each, files, pipeline, publish, step, training_rows
from penstock.core.errors import InvalidPipeline, InvalidValue
from penstock.pipelines import Pipeline, validate
from penstock.pipelines.types import Graph, Node, Output, Param, Value, Way

trips = files("data/trips", event_time="at")


@step
def parts(count: int = 3) -> list[int]:
    return list(range(count))


@step
def fit(rows: Any, depth: int = 3) -> int:
    return depth


@step
def measure(model: Any) -> Metrics:
    return Metrics(error=0.5)


@step
def good(metrics: Any) -> bool:
    return True


@step
def note(model: Any) -> None: ...


@pipeline
def alone(part: int) -> Any:
    fit(part)
    return parts(7)


@pipeline
def publishes(part: int) -> Any:
    rows = training_rows(trips, label="late")
    return publish("late", fit(rows.train, depth=part), measure(part), inputs=rows.schema)


@pipeline
def inner(part: int) -> Any:
    return each(fit, rows=fit(part))


@pipeline
def crossed(part: int) -> Any:
    return each(fit, rows=parts(), depth=part)


@pipeline
def decides(part: bool) -> Any:
    return choose(part, parts(), None)


def drawn(function: Callable[..., Any]) -> dict[str, Node]:
    """The nodes of a pipeline with this body."""
    function.__qualname__ = function.__name__
    graph: Graph = Pipeline(function).draw()
    validate(graph)
    return {node.name: node for node in graph.nodes}


@pipeline
def learn(depth: int = 4, careful: bool = False) -> Any:
    rows = training_rows(trips, label="late")
    model = fit(rows.train, depth=depth)
    note(choose(careful, lambda: measure(model)))
    return rows, model


def test_each_marks_the_first_input_as_the_one_it_goes_over() -> None:
    def body(depth: int = 2) -> Any:
        return each(fit, rows=parts(), depth=depth)

    node = drawn(body)["fit"]
    assert (node.over, node.kind) == (("rows",), "step")
    assert node.inputs == {"rows": Output("parts"), "depth": Param("depth")}


def test_each_goes_over_a_list_that_is_written_down() -> None:
    node = drawn(_named(lambda: each(fit, depth=[1, 2], rows=parts())))["fit"]
    assert (node.over, node.inputs["depth"]) == (("depth",), Value([1, 2]))


def test_a_pipeline_in_a_pipeline_brings_its_steps_under_its_name_and_shares_the_snapshots() -> None:
    def body(depth: int = 2) -> Any:
        rows, model = learn(depth=depth)
        _, other = learn(depth=7, careful=good(model))
        return publish("late", other, measure(model), inputs=rows.schema)

    nodes = drawn(body)
    assert sorted(nodes) == sorted(
        [
            "trips.snapshot",
            "learn.rows",
            "learn.fit",
            "learn.measure",
            "learn.choose",
            "learn.note",
            "learn-2.rows",
            "learn-2.fit",
            "good",
            "learn-2.measure",
            "learn-2.choose",
            "learn-2.note",
            "measure",
            "publish",
        ]
    )
    assert nodes["learn.fit"].inputs["depth"] == Param("depth")
    assert nodes["learn-2.fit"].inputs["depth"] == Value(7)
    assert nodes["learn-2.measure"].when == (Way(Output("good"), taken=True),)
    assert nodes["learn.rows"].inputs == nodes["learn-2.rows"].inputs


def test_what_both_branches_or_something_else_use_runs_in_any_case() -> None:
    def body(careful: bool = True) -> Any:
        shared, alone, returned = parts(1), parts(2), parts(3)
        first = choose(careful, fit(shared), fit(shared, depth=4))
        return choose(good(first), lambda: (note(returned), fit(alone))[1], first), returned

    nodes = drawn(body)
    careful, well = Param("careful"), Output("good")
    assert {name: node.when for name, node in nodes.items() if node.when} == {
        "fit": (Way(careful, taken=True),),
        "fit-2": (Way(careful, taken=False),),
        "parts-2": (Way(well, taken=True),),
        "note": (Way(well, taken=True),),
        "fit-3": (Way(well, taken=True),),
    }


def test_a_condition_that_is_drawn_later_stands_before_what_depends_on_it() -> None:
    def body() -> Any:
        model = fit(parts(1))
        return choose(good(parts(2)), model, None)

    assert list(drawn(body)) == ["parts-2", "good", "parts", "fit", "choose"]


def test_a_publication_may_depend_on_a_condition() -> None:
    def body() -> Any:
        rows = training_rows(trips, label="late")
        model = fit(rows.train)
        metrics = measure(model)
        return choose(good(metrics), lambda: publish("late", model, metrics, inputs=rows.schema))

    assert drawn(body)["publish"].when == (Way(Output("good"), taken=True),)


def _recursive() -> Any:
    return itself()


_recursive.__name__ = _recursive.__qualname__ = "recursive"
itself = Pipeline(_recursive)


def _leaks() -> Any:
    kept: list[Any] = []
    chosen = choose(good(parts()), lambda: kept.append(fit(parts(2))), None)
    return fit(chosen), measure(kept[0])


def _named(function: Callable[..., Any]) -> Callable[..., Any]:
    function.__name__ = function.__qualname__ = "body"
    return function


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (lambda: each(len, rows=parts()), "`each` runs a step or a pipeline: found <built-in function len>"),
        (lambda: each(fit), "needs the list that `fit` goes over.*each\\(fit, name=list"),
        (lambda: each(fit, rows=3), "cannot go over `rows` of `fit`: expected a list.*found 3"),
        (lambda: each(fit, row=parts()), "no input `row`. Did you mean `rows`"),
        (lambda: each(fit, rows=learn()), "cannot go over `rows`.*found \\(<"),
        (lambda: each(fit, "depth", rows=parts()), "has no list `depth` to go over"),
        (lambda: each(alone, part=parts()), "`alone` returns what is the same for every element"),
        (lambda: each(publishes, part=parts()), "A model cannot be published for each element"),
        (lambda: each(inner, part=parts()), "an element of another list"),
        (lambda: each(crossed, part=parts()), "`fit` goes over a list for each element of another list"),
        (lambda: each(decides, part=parts()), "condition of `choose`.*an element of a list, which no step"),
        (lambda: choose(3, parts()), "condition of `choose`: expected the result.*found 3 of type int"),
        (lambda: learn(depth="deep"), "parameter `depth` of learn has a wrong value"),
        (lambda: learn(dept=3), "pipeline `learn` has no input `dept`. Did you mean `depth`"),
        (_leaks, "`measure` takes the result of `fit`, which is drawn in a branch"),
    ],
)
def test_impossible_shapes_are_refused(body: Callable[..., Any], sentence: str) -> None:
    with pytest.raises(InvalidPipeline, match=sentence):
        drawn(_named(body))


def test_a_parameter_cannot_be_gone_over_and_only_a_bool_can_be_a_condition() -> None:
    def over(depth: int = 3) -> Any:
        return each(fit, rows=depth)

    def on(depth: int = 3) -> Any:
        return choose(depth, lambda: parts(), None)  # type: ignore[arg-type]  # noqa: PLW0108

    with pytest.raises(InvalidPipeline, match=r"cannot go over `rows`.*found <The parameter `depth`"):
        drawn(over)
    with pytest.raises(InvalidPipeline, match=r"of type bool; found <The parameter `depth`"):
        drawn(on)


def test_a_pipeline_is_not_called_inside_itself() -> None:
    with pytest.raises(InvalidPipeline, match="recursive is called inside itself"):
        itself.draw()


def test_a_graph_that_goes_over_nothing_it_has_is_invalid() -> None:
    node = Node(name="fit", kind="step", inputs={"rows": Value([])}, over=("row",))
    with pytest.raises(InvalidPipeline, match=r"no input `row`\. Did you mean `rows`"):
        validate(Graph(pipeline="p", target="p:p", nodes=(node,)))
    with pytest.raises(InvalidValue, match="no input `condition`"):
        validate(Graph(pipeline="p", target="p:p", nodes=(Node(name="choose", kind="choose"),)))
