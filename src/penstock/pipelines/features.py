"""The pipeline that makes the online values of a feature view, drawn from one that trains on it."""

from __future__ import annotations

import msgspec

from penstock.datasets.types import Source
from penstock.features.types import ViewSettings
from penstock.pipelines.types import Graph, Node, Output


def views_in(graph: Graph) -> dict[str, tuple[ViewSettings, Node]]:
    """The feature views that a pipeline trains on, by name, with the node that joins them."""
    return {
        view["name"]: (msgspec.convert(view, ViewSettings), node)
        for node in graph.nodes
        if node.kind == "rows"
        for view in node.settings["views"]
    }


def features_graph(graph: Graph, name: str) -> Graph:
    """The graph of two nodes that reads the source of a view and makes its newest values.

    It has a name that no function has, so that no pipeline is taken for it.
    """
    view, rows = views_in(graph)[name]
    read = next(node for node in graph.nodes if node.name == _snapshot_of(view.source))
    made = Node(
        name=name,
        kind="features",
        inputs={view.source.name: Output(read.name, "rows")},
        outputs=("rows",),
        settings={"view": name, "views": rows.settings["views"]},
        code=rows.code,
    )
    return Graph(pipeline=f"features:{name}", target=view.target, nodes=(read, made))


def _snapshot_of(source: Source) -> str:
    return f"{source.name}.snapshot"
