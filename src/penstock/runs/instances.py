"""Pure: the steps that a node over a list turns into, one for each element, `fit[0]` and so on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from penstock.pipelines.types import Graph
from penstock.runs.types import Artifact, StepRun


def make_instances(step: StepRun, items: Iterable[Artifact]) -> Iterator[StepRun]:
    """The steps of the single elements of a list that `step` goes over."""
    for index, item in enumerate(items):
        name = f"{step.name}[{index}]"
        yield StepRun(id=f"{step.run}/{name}", run=step.run, name=name, item=item)


def instances_of(steps: Iterable[StepRun]) -> dict[str, list[str]]:
    """The names of the steps of single elements, in the order of the list, by that of their node."""
    found: dict[str, list[str]] = {}
    for step in steps:
        if step.item:
            found.setdefault(node_of(step.name), []).append(step.name)
    return found


def node_of(step: str) -> str:
    """The name of the node that a step of this name does: `fit` for `fit[3]`."""
    return step.partition("[")[0]


def in_order(graph: Graph, steps: Iterable[StepRun]) -> list[StepRun]:
    """Steps in the order of the graph, those of single elements after that of the whole list."""
    place = {node.name: number for number, node in enumerate(graph.nodes)}
    return sorted(steps, key=lambda step: (place[node_of(step.name)], step.item is not None))
