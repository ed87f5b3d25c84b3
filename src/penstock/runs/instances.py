"""Pure: the steps that a node over lists turns into, one for each element, `fit[0]` and so on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec.structs import replace

from penstock.pipelines.graph import spread
from penstock.pipelines.types import Graph, Input, Node, Output
from penstock.runs.types import Artifact, Metric, StepRun

Instances = Mapping[str, Sequence[str]]
"""The names of the steps of single elements, in the order of the lists, by that of their node."""


def make_instances(step: StepRun, items: Iterable[dict[str, Artifact]]) -> Iterator[StepRun]:
    """The steps of the single elements of the lists that `step` goes over."""
    for place, own in enumerate(items):
        name = f"{step.name}[{place}]"
        yield StepRun(id=f"{step.run}/{name}", run=step.run, name=name, items=own)


def instances_of(steps: Iterable[StepRun]) -> dict[str, list[str]]:
    """See `Instances`."""
    found: dict[str, list[str]] = {}
    for step in steps:
        if is_instance(step.name):
            found.setdefault(node_of(step.name), []).append(step.name)
    return found


def is_instance(step: str) -> bool:
    """Whether a step of this name is that of a single element."""
    return step.endswith("]")


def node_of(step: str) -> str:
    """The name of the node that a step of this name does: `fit` for `fit[3]`."""
    return step.partition("[")[0]


def of_element(node: Node, step: str, instances: Instances) -> Node:
    """The node as the step of a single element does it: it takes that element of what it goes over.

    What comes from a node that goes over the same list comes from that node's step for this element.
    """
    place = int(step[len(node.name) + 1 : -1])

    def own(wire: Input) -> Input:
        names = instances.get(wire.node) if isinstance(wire, Output) else None
        return replace(wire, node=names[place]) if names else wire

    return replace(
        node,
        inputs={name: own(wire) if name in node.over else wire for name, wire in node.inputs.items()},
        over=(),
        when=tuple(replace(w, condition=own(w.condition), each=False) if w.each else w for w in node.when),
    )


def awaited_lists(node: Node, instances: Instances) -> list[str]:
    """The nodes that one which goes over lists waits for before it is known how many elements there are."""
    if not spread(node):
        return []
    lists = [*(node.inputs[name] for name in node.over), *(way.condition for way in node.when)]
    return [wire.node for wire in lists if isinstance(wire, Output) and wire.node not in instances]


def metrics_in_order(steps: Iterable[StepRun], metrics: Iterable[Metric]) -> list[Metric]:
    """Metrics in the order of their steps, those of a step as they came."""
    place = {step.name: number for number, step in enumerate(steps)}
    return sorted(metrics, key=lambda metric: place.get(metric.step, -1))


def in_order(graph: Graph, steps: Iterable[StepRun]) -> list[StepRun]:
    """Steps in the order of the graph, those of single elements after that of the whole list."""
    place = {node.name: number for number, node in enumerate(graph.nodes)}
    return sorted(steps, key=lambda step: (place[node_of(step.name)], is_instance(step.name)))
