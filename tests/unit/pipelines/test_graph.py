"""Graphs that come from elsewhere are not trusted to be graphs."""

from __future__ import annotations

import pytest

from penstock.core.errors import InvalidPipeline, InvalidValue
from penstock.pipelines import validate
from penstock.pipelines.graph import coerce
from penstock.pipelines.types import Graph, Input, Node, Output, Param, Parameter


def node(name: str, **inputs: Input) -> Node:
    return Node(name=name, kind="step", target=f"shop:{name}", inputs=inputs)


def graph(*nodes: Node) -> Graph:
    return Graph(
        pipeline="train", target="shop:train", parameters=(Parameter(name="depth", type="int"),), nodes=nodes
    )


@pytest.mark.parametrize(
    ("nodes", "sentence"),
    [
        ((node("a"), node("a")), "two nodes called `a`"),
        ((node("a", x=Param("dept")),), "is no parameter: `dept`. Did you mean `depth`"),
        ((node("abc"), node("b", x=Output("abd"))), "comes from no node: `abd`. Did you mean `abc`"),
        ((node("a"), node("b", x=Output("a", "rows"))), "no output of `a`: `rows`. There is `result`"),
        ((node("a", x=Output("b")), node("b", x=Output("a"))), "has a cycle: found . → . → ."),
        ((node("a", x=Output("a")),), "has a cycle: found a → a"),
        ((node("b", x=Output("a")), node("a")), "`b` stands before `a`"),
    ],
)
def test_a_graph_that_no_pipeline_draws_is_refused(nodes: tuple[Node, ...], sentence: str) -> None:
    with pytest.raises(InvalidPipeline, match=sentence):
        validate(graph(*nodes))


def test_a_diamond_is_a_graph() -> None:
    a, b, c = node("a", depth=Param("depth")), node("b", x=Output("a")), node("c", x=Output("a"))
    validate(graph(a, b, c, node("d", left=Output("b"), right=Output("c"))))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("int", "1" + "0" * 30),
        ("int", 10**30),
        ("int", "9" * 5000),
        ("float", 10**400),
        ("float", "1e999"),
        ("float", "nan"),
        ("str", "\udcff"),
        ("bool", "maybe"),
        ("int", True),
        ("int", None),
    ],
)
def test_a_parameter_that_cannot_be_kept_is_refused_before_anything_is_written(
    kind: str, value: object
) -> None:
    taking = Graph(
        pipeline="train", target="shop:train", parameters=(Parameter(name="x", type=kind, default=1),)
    )
    with pytest.raises(
        InvalidValue, match=f"`x` of train has a wrong value: expected a value of type {kind}"
    ):
        coerce(taking, {"x": value})
