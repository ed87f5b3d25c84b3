"""Pipelines that make or check the online values of a feature view, drawn from one that trains on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from penstock.core.digests import digest_value
from penstock.features.shares import PARTS
from penstock.features.types import ViewSettings
from penstock.pipelines.types import Graph, Node, Output, Value

DIGITS = 12
"""Of a digest that name a version of a view."""
AS_OF = "as_of"
"""The setting of a node that reads a source only as it was known at a time."""
MAKES_VALUES = ("target", "entity", "source", "aggregates", "query")
"""What of the declaration of a view its values depend on, beside its code."""


class Drawn(NamedTuple):
    """A feature view as a pipeline was drawn with it. `version` is another where its values may be."""

    view: ViewSettings
    version: str


def views_in(graph: Graph) -> dict[str, Drawn]:
    """The feature views that a pipeline trains on, by name."""
    return {
        node.settings["view"]["name"]: Drawn(
            msgspec.convert(node.settings["view"], ViewSettings),
            digest_value([node.code, [node.settings["view"].get(name) for name in MAKES_VALUES]])[:DIGITS],
        )
        for node in graph.nodes
        if node.kind == "timeline"
    }


def features_graph(graph: Graph, name: str) -> Graph:
    """The graph that reads the source of a view, lays out what it makes of it, and makes its newest values.

    It has a name that no function has, so that no pipeline is taken for it.
    """
    view, snapshot, laid_out = _timeline_in(graph, name)
    made = Node(
        name=name,
        kind="features",
        inputs={laid_out.name: Output(laid_out.name, "rows")},
        outputs=("rows",),
        settings={"view": msgspec.to_builtins(view)},
    )
    return Graph(pipeline=f"features:{name}", target=view.target, nodes=(snapshot, laid_out, made))


def skew_graph(graph: Graph, name: str, read: str, features: Sequence[str]) -> Graph:
    """The graph that holds what was read online of a view (a table, the digest `read`) against its source."""
    view, snapshot, laid_out = _timeline_in(graph, name)
    compared = Node(
        name=f"{name}.skew",
        kind="skew",
        inputs={laid_out.name: Output(laid_out.name, "rows"), "read": Value(read)},
        outputs=("skew",),
        settings={"view": msgspec.to_builtins(view), "features": list(features)},
    )
    return Graph(pipeline=f"skew:{name}", target=view.target, nodes=(snapshot, laid_out, compared))


def _timeline_in(graph: Graph, name: str) -> tuple[ViewSettings, Node, Node]:
    """A view with the nodes that read its source and lay out all of what it makes of it."""
    view = views_in(graph)[name].view
    nodes = {node.name: node for node in graph.nodes}
    laid_out = next(n for n in graph.nodes if n.kind == "timeline" and n.settings["view"]["name"] == name)
    whole = {key: value for key, value in laid_out.settings.items() if key != PARTS}
    laid_out = msgspec.structs.replace(laid_out, name=timeline_of(name), settings=whole)
    [read] = [wire.node for wire in laid_out.inputs.values() if isinstance(wire, Output)]
    return view, unpinned(nodes[read]), laid_out


def unpinned(node: Node) -> Node:
    """A node that reads a source as of the time of its run: what is read online is never that of the past."""
    settings = {name: value for name, value in node.settings.items() if name != AS_OF}
    return msgspec.structs.replace(node, settings=settings)


def timeline_of(view: str) -> str:
    """What that which a view makes of its source is called, as an input and as the node that lays it out."""
    return f"{view}.timeline"
