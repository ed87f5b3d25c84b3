"""What happens when a pipeline is drawn."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from penstock import Metrics, feature_view, files, pipeline, publish, step, training_rows
from penstock.core.errors import InvalidPipeline, InvalidValue
from penstock.pipelines import coerce, validate
from penstock.pipelines.features import features_graph
from penstock.pipelines.types import Options, Output, Param, Value

trips = files("data/trips", event_time="at", key="id")
weather = files("data/weather.csv", event_time="seen")


class Halves(NamedTuple):
    left: list[int]
    right: list[int]


@feature_view(entity="city", source=weather, ttl="3h")
def city_weather(rows: Any) -> Any:
    return rows


@step
def numbers(count: int = 3) -> list[int]:
    return list(range(count))


@step(outputs=("left", "right"), retries=2, timeout="10m", memory="2GB", cpus=2, cache=False)
def halve(values: list[int]) -> Halves:
    return Halves(values[: len(values) // 2], values[len(values) // 2 :])


@step
def total(values: list[int], weights: dict[str, float] | None = None, **more: int) -> int:
    return sum(values)


@step
def measure(model: int, holdout: Any) -> Metrics:
    return Metrics(error=0.5)


@pipeline
def sums(count: int, scale: float = 1.0, name: str | None = None) -> object:
    halves = halve(numbers(count))
    left = total(halves.left, weights={"a": 1.5})
    right = total(values=halves.right, scale=scale, name=name)
    return left, right


@pipeline
def learn() -> object:
    rows = training_rows(trips, [city_weather], label="late", span="60d", holdout="7d")
    model = total(rows.train)
    return publish("delay", model, measure(model, rows.holdout), inputs=rows.schema)


def test_called_outside_a_pipeline_a_step_is_its_function() -> None:
    assert numbers(4) == [0, 1, 2, 3]
    assert total.__wrapped__([1, 2]) == 3
    assert numbers.__name__ == "numbers"


def test_steps_become_nodes_wired_by_the_names_of_their_inputs() -> None:
    graph = sums.draw(count=2)
    nodes = {node.name: node for node in graph.nodes}
    assert list(nodes) == ["numbers", "halve", "total", "total-2"]
    assert nodes["numbers"].inputs == {"count": Param("count")}
    assert nodes["total"].inputs == {"values": Output("halve", "left"), "weights": Value({"a": 1.5})}
    assert nodes["total-2"].inputs["scale"] == Param("scale")
    assert nodes["total"].target.endswith(":total")
    assert nodes["halve"].outputs == ("left", "right")
    assert nodes["halve"].options == Options(
        retries=2, backoff=1.0, timeout=600.0, cache=False, cpus=2.0, memory=2_000_000_000
    )
    validate(graph)


def test_parameters_are_typed_by_annotation_and_given_ones_become_defaults() -> None:
    graph = sums.draw(count="7")
    assert [(p.name, p.type, p.default, p.required) for p in graph.parameters] == [
        ("count", "int", 7, False),
        ("scale", "float", 1.0, False),
        ("name", "str", None, False),
    ]


def test_training_rows_draw_a_snapshot_of_each_source_and_publish_takes_their_holdout() -> None:
    nodes = {node.name: node for node in learn.draw().nodes}
    assert list(nodes) == [
        "trips.snapshot",
        "weather.snapshot",
        "city_weather.timeline",
        "rows",
        "total",
        "measure",
        "publish",
    ]
    assert nodes["trips.snapshot"].settings["source"]["path"] == "data/trips"
    assert not nodes["trips.snapshot"].options.cache
    assert nodes["rows"].inputs["city_weather.timeline"] == Output("city_weather.timeline", "rows")
    assert nodes["city_weather.timeline"].inputs == {"weather": Output("weather.snapshot", "rows")}
    assert nodes["rows"].settings["views"][0]["ttl"] == 10_800
    assert nodes["publish"].inputs["holdout"] == Output("rows", "holdout")
    assert nodes["publish"].settings == {"model": "delay"}


@pipeline
def learn_of_may() -> object:
    rows = training_rows(
        trips, [city_weather], label="late", span="60d", holdout="7d", as_of="2026-05-01T02:00+02:00"
    )
    model = total(rows.train)
    return publish("delay", model, measure(model, rows.holdout), inputs=rows.schema)


def test_a_time_is_pinned_where_sources_are_read_and_nowhere_else() -> None:
    bare, pinned = learn.draw(), learn_of_may.draw()
    for before, after in zip(bare.nodes, pinned.nodes, strict=True):
        if after.kind == "snapshot":
            assert after.settings == {**before.settings, "as_of": "2026-05-01T00:00:00+00:00"}
        else:
            assert after == before
    online = features_graph(pinned, "city_weather")
    assert online == features_graph(bare, "city_weather"), "what is read online is of the present"


def test_a_pipeline_is_not_called() -> None:
    with pytest.raises(InvalidPipeline, match=r"sums is drawn, not called.*penstock run"):
        sums(count=3)


@pytest.mark.parametrize(
    ("given", "typed"),
    [
        ({"count": "3"}, {"count": 3, "scale": 1.0, "name": None}),
        ({"count": 3, "scale": "0.5"}, {"count": 3, "scale": 0.5, "name": None}),
        ({"count": 3, "scale": 2, "name": "x"}, {"count": 3, "scale": 2.0, "name": "x"}),
    ],
)
def test_parameters_of_a_run_are_read_from_text(given: dict[str, Any], typed: dict[str, Any]) -> None:
    assert coerce(sums.draw(count=1), given) == typed


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"cout": 3}, r"no parameter `cout`\. Did you mean `count`\?"),
        ({"count": "three"}, "wrong value: expected a value of type int; found 'three'"),
        ({"count": True}, "found True"),
        ({"count": 3.5}, r"found 3\.5"),
        ({"count": 3, "scale": "nan"}, "found 'nan'"),
        ({"count": 3, "name": 4}, "expected a value of type str; found 4"),
    ],
)
def test_wrong_parameters_are_refused(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidValue, match=sentence):
        coerce(sums.draw(count=1), given)


def test_a_missing_parameter_is_refused() -> None:
    with pytest.raises(InvalidValue, match="sums needs the parameter `count`"):
        coerce(sums.draw(), {})


def test_a_step_that_nothing_can_import_is_refused_with_the_reason() -> None:
    with pytest.raises(InvalidPipeline, match="a lambda has no name"):
        step(lambda rows: rows)

    def inner() -> int:
        return 1

    with pytest.raises(InvalidPipeline, match="defined inside another function"):
        step(inner)
    inner.__qualname__, inner.__module__ = "inner", "__main__"
    with pytest.raises(InvalidPipeline, match="main module"):
        step(inner)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"timeout": "soon"}, "expected a duration"),
        ({"memory": "2 apples"}, "expected a size"),
        ({"retries": -1}, "`retries` cannot be negative"),
        ({"outputs": ("a", "a")}, "different names"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidValue, match=sentence):
        step(**options)(numbers.__wrapped__)
