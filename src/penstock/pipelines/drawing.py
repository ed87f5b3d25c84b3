"""A pipeline being drawn: steps that are called add nodes to it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any

import msgspec

from penstock.core.errors import InvalidPipeline
from penstock.pipelines.standins import StandIn, about, parameter_stand_in, reference, result_stand_in
from penstock.pipelines.types import Input, Node, Output, Param, Parameter, Value


class Drawing:
    """The nodes of one pipeline, in the order in which they were called."""

    def __init__(self, parameters: Iterable[Parameter]) -> None:
        self.nodes: dict[str, Node] = {}
        self._effects: set[str] = set()
        self.parameters = {each.name: parameter_stand_in(self, each.name) for each in parameters}

    def add(self, node: Node, *, returns: bool = True) -> StandIn:
        """Add a node; a second one of the same name becomes `name-2`. Gives its stand-in.

        What does not return anything is there for its effect.
        """
        name, count = node.name, 1
        while name in self.nodes:
            count += 1
            name = f"{node.name}-{count}"
        self.nodes[name] = msgspec.structs.replace(node, name=name)
        if not returns:
            self._effects.add(name)
        return self.result(name)

    def result(self, name: str) -> StandIn:
        """The stand-in for a node that was added."""
        return result_stand_in(self, name, self.nodes[name].outputs)

    def inputs(self, node: str, values: Mapping[str, Any]) -> dict[str, Input]:
        """What is passed to a node, as data. Raises InvalidPipeline for what cannot be."""
        return {name: self._input(f"`{name}` of `{node}`", value) for name, value in values.items()}

    def check_used(self, returned: object) -> None:
        """Refuse parameters and results that nobody uses.

        The last node, publications, what returns nothing, and what the pipeline returns need no user.
        """
        used = {_key(wire) for node in self.nodes.values() for wire in node.inputs.values()}
        for name in self.parameters:
            if ("param", name) not in used:
                raise InvalidPipeline(
                    what=f"The pipeline's parameter `{name}` is not used.",
                    fix="Pass it to a step or remove it.",
                )
        last = list(self.nodes)[-1:]
        wanted = {*last, *self._effects, *(part.node for part in _outputs(returned))}
        for name, node in self.nodes.items():
            if node.kind != "publish" and name not in wanted and ("node", name) not in used:
                raise InvalidPipeline(
                    what=f"Nothing uses the result of `{name}`.",
                    fix="Pass it to a step, return it from the pipeline, or remove the call.",
                )

    def _input(self, place: str, value: Any) -> Input:
        if isinstance(value, StandIn):
            return reference(value, self)
        if any(True for _ in _outputs(value)):
            raise InvalidPipeline(
                what=f"{place} is a collection that holds results of steps.",
                fix="Give the step one argument for each of them.",
            )
        if not json_like(value):
            raise InvalidPipeline(
                what=f"{place} cannot be written in a pipeline",
                expected="the result of a step, a parameter of the pipeline, or a JSON-like value",
                found=f"a {type(value).__name__}",
                fix="Make it inside the step, from plain values.",
            )
        return Value(value)


current: ContextVar[Drawing | None] = ContextVar("penstock.drawing", default=None)
"""The pipeline that is being drawn in this thread, if any."""


def json_like(value: object) -> bool:
    """Whether a value survives being written as JSON and read again."""
    match value:
        case None | bool() | int() | str():
            return True
        case float():
            return math.isfinite(value)
        case list():
            return all(json_like(part) for part in value)
        case dict():
            return all(isinstance(name, str) and json_like(part) for name, part in value.items())
        case _:
            return False


def _key(wire: Input) -> tuple[str, str]:
    match wire:
        case Output(node=node):
            return "node", node
        case Param(name=name):
            return "param", name
        case _:
            return "value", ""


def _outputs(value: object) -> Iterator[Output]:
    """The outputs of steps in a value and in the collections in it."""
    if isinstance(value, StandIn):
        known = about(value)
        wires = (
            [known.refers_to]
            if known.refers_to
            else [about(part).refers_to for part in known.outputs.values()]
        )
        yield from (wire for wire in wires if isinstance(wire, Output))
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _outputs(part)
    elif isinstance(value, list | tuple | set | frozenset):
        for part in value:
            yield from _outputs(part)
