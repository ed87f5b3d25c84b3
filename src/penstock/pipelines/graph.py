"""What can be asked of a drawn graph without running it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

from penstock.core.errors import InvalidPipeline, InvalidValue
from penstock.core.words import meant
from penstock.pipelines.parameters import typed, wanted
from penstock.pipelines.types import Graph, Node, Output, Param


def validate(graph: Graph) -> None:
    """Refuse a graph that no pipeline can have drawn.

    Raises InvalidPipeline for a name that is there twice, an input that refers to nothing,
    a cycle, and nodes that stand before what they need.
    """
    nodes: dict[str, Node] = {}
    for node in graph.nodes:
        if node.name in nodes:
            raise InvalidPipeline(what=f"The graph of {graph.pipeline} has two nodes called `{node.name}`.")
        nodes[node.name] = node
    parameters = {parameter.name for parameter in graph.parameters}
    for node in graph.nodes:
        _check_node(node, nodes, parameters)
    needs = {node.name: needed(node) for node in graph.nodes}
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as error:
        circle = " → ".join(reversed(error.args[1]))
        raise InvalidPipeline(what=f"The graph of {graph.pipeline} has a cycle", found=circle) from error
    before: set[str] = set()
    for name, others in needs.items():
        for other in others:
            if other not in before:
                raise InvalidPipeline(what=f"`{name}` stands before `{other}`, which it needs.")
        before.add(name)


def needed(node: Node) -> list[str]:
    """The names of the nodes that a node waits for: those it takes something from, and its conditions."""
    wires = [*node.inputs.values(), *(branch.condition for branch in node.when)]
    return list(dict.fromkeys(wire.node for wire in wires if isinstance(wire, Output)))


def targets_of(nodes: Iterable[Node]) -> list[str]:
    """The names of the user's code that nodes run: steps, and the feature views of training rows."""
    views = [(node.target, *(view["target"] for view in node.settings.get("views", ()))) for node in nodes]
    return [target for targets in views for target in targets if target]


def spread(node: Node) -> bool:
    """Whether a node is run for every element of lists rather than once."""
    return bool(node.over) or any(way.each for way in node.when)


def _check_node(node: Node, nodes: Mapping[str, Node], parameters: set[str]) -> None:
    for name, wire in node.inputs.items():
        _check_wire(f"The input `{name}` of `{node.name}`", wire, nodes, parameters)
    for branch in node.when:
        _check_wire(f"The condition of `{node.name}`", branch.condition, nodes, parameters)
    for name in (*(_WAYS if node.kind == "choose" else ()), *node.over):
        if name not in node.inputs:
            raise InvalidPipeline(what=f"`{node.name}` has no input `{name}`.", fix=meant(name, node.inputs))


_WAYS = ("condition", "then", "otherwise")


def _check_wire(place: str, wire: object, nodes: Mapping[str, Node], parameters: set[str]) -> None:
    match wire:
        case Param(name=name) if name not in parameters:
            raise InvalidPipeline(what=f"{place} is no parameter: `{name}`.", fix=meant(name, parameters))
        case Output(node=node) if node not in nodes:
            raise InvalidPipeline(what=f"{place} comes from no node: `{node}`.", fix=meant(node, nodes))
        case Output(node=node, name=name) if name not in nodes[node].outputs:
            raise InvalidPipeline(
                what=f"{place} is no output of `{node}`: `{name}`.", fix=meant(name, nodes[node].outputs)
            )


def coerce(graph: Graph, params: Mapping[str, Any]) -> dict[str, Any]:
    """All parameters of a run: what was given, typed and read from text where needed, and the defaults.

    Raises InvalidValue for a parameter that the pipeline does not have, that is missing, or of a wrong type.
    """
    declared = {parameter.name: parameter for parameter in graph.parameters}
    for name in params:
        if name not in declared:
            raise InvalidValue(what=f"{graph.pipeline} has no parameter `{name}`.", fix=meant(name, declared))
    values = {}
    for name, parameter in declared.items():
        if name in params:
            values[name] = typed(graph.pipeline, parameter, params[name])
        elif parameter.required:
            raise InvalidValue(
                what=f"{graph.pipeline} needs the parameter `{name}`",
                expected=wanted(parameter),
            )
        else:
            values[name] = parameter.default
    return values
