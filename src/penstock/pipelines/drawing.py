"""A pipeline being drawn: steps that are called add nodes to it."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import msgspec

from penstock.core.errors import InvalidPipeline
from penstock.pipelines.jsonlike import json_like
from penstock.pipelines.parameters import plain
from penstock.pipelines.standins import StandIn, about, parameter_stand_in, reference, result_stand_in
from penstock.pipelines.types import Input, Node, Output, Param, Parameter, Value, Way
from penstock.pipelines.ways import conditioned


class Drawing:
    """The nodes of one pipeline, in the order in which they were called."""

    def __init__(self, parameters: Iterable[Parameter]) -> None:
        self.nodes: dict[str, Node] = {}
        self._effects: set[str] = set()
        self._names = _Names()
        self._prefix = ""
        self._prefixes = _Names()
        self._inside: tuple[str, ...] = ()
        self._when: tuple[Way, ...] = ()
        self._element = 0
        self._numbers = itertools.count(1)
        self.types = {each.name: each.type for each in parameters}
        self.parameters = {name: parameter_stand_in(self, name) for name in self.types}

    def add(self, node: Node, values: Mapping[str, Any], *, returns: bool = True) -> StandIn:
        """Add a node that takes `values`; a second one of the same name becomes `name-2`. Gives its stand-in.

        What does not return anything is there for its effect. A snapshot and a timeline belong to the whole
        pipeline, wherever they are first asked for; everything else to the pipeline and the branch that it
        is drawn in.
        Raises InvalidPipeline for values that cannot be passed on.
        """
        shared = node.shared
        name = self._names.free(node.name if shared else self._prefix + node.name)
        inputs = {key: self._input(f"`{key}` of `{node.name}`", value) for key, value in values.items()}
        elements = {key: number for key, value in values.items() if (number := element_of(value))}
        element = self._common(node, {*elements.values(), *filter(None, [self._element])})
        self.nodes[name] = msgspec.structs.replace(
            node,
            name=name,
            inputs={**inputs, **node.inputs},
            over=tuple(elements),
            when=() if shared else self._when,
        )
        if not returns:
            self._effects.add(name)
        return result_stand_in(self, name, node.outputs, 0 if shared else element)

    def number(self) -> int:
        """A number for one more call of `each`."""
        return next(self._numbers)

    @contextmanager
    def inside(self, target: str, prefix: str = "") -> Iterator[None]:
        """Draw the pipeline `target`; one in another has its nodes called `prefix.name`.

        Raises InvalidPipeline for a pipeline that is called inside itself.
        """
        if target in self._inside:
            raise InvalidPipeline(what=f"The pipeline {target} is called inside itself.")
        before = self._prefix, self._inside
        if prefix:
            self._prefix = self._prefixes.free(self._prefix + prefix) + "."
        self._inside += (target,)
        try:
            yield
        finally:
            last = next(reversed(self.nodes), "")
            if prefix and last.startswith(self._prefix):
                self._effects.add(last)
            self._prefix, self._inside = before

    @contextmanager
    def way(self, way: Way, element: int) -> Iterator[None]:
        """Draw what belongs to one side of a choice, which each element of `each` number `element` makes."""
        before = self._when, self._element
        self._when, self._element = (*self._when, way), element or self._element
        try:
            yield
        finally:
            self._when, self._element = before

    def finish(self, returned: object) -> tuple[Node, ...]:
        """The nodes in an order in which they can run, once the pipeline's function has `returned`.

        Raises InvalidPipeline for what nobody uses, or what is used where it may not have run.
        """
        self._check_used(returned)
        return conditioned(self.nodes, {part.node for part in _outputs(returned)})

    def _check_used(self, returned: object) -> None:
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

    @staticmethod
    def _common(node: Node, numbers: Collection[int]) -> int:
        """The one call of `each` to whose elements a node belongs, 0 for none. Raises InvalidPipeline."""
        if len(numbers) > 1:
            raise InvalidPipeline(
                what=f"`{node.name}` goes over a list for each element of another list.",
                fix="Make one list of all in a step, or go over the inner list in a step.",
            )
        if numbers and node.kind == "publish":
            raise InvalidPipeline(
                what="A model cannot be published for each element of a list: its name is written once.",
                fix="Publish after `each`, from a step that takes the list of models.",
            )
        return next(iter(numbers), 0)

    def _input(self, place: str, value: Any) -> Input:
        if isinstance(value, StandIn):
            return reference(value, self)
        if any(True for _ in _outputs(value)):
            raise InvalidPipeline(
                what=f"{place} is a collection that holds results of steps.",
                fix="Give the step one argument for each of them.",
            )
        value = plain(value)
        if not json_like(value):
            raise InvalidPipeline(
                what=f"{place} cannot be written in a pipeline",
                expected="the result of a step, a parameter of the pipeline, or a JSON-like value",
                found=_described(value),
                fix="Make it inside the step, from plain values.",
            )
        return Value(value)


class _Names:
    """Names that are taken, each once."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    def free(self, wanted: str) -> str:
        """Take the name, with a number after it if it is taken."""
        name, count = wanted, self._counts.get(wanted, 1)
        while name in self._counts:
            count += 1
            name = f"{wanted}-{count}"
        self._counts[wanted] = count
        self._counts.setdefault(name, 1)
        return name


def element_of(value: object) -> int:
    """The number of the call of `each` of whose list a value is an element, 0 for every other value."""
    return about(value).element if isinstance(value, StandIn) else 0


current: ContextVar[Drawing | None] = ContextVar("penstock.drawing", default=None)
"""The pipeline that is being drawn in this thread, if any."""


def _described(value: object) -> str:
    """What a value is: a number or text as it is, of anything else its type."""
    return ascii(value)[:60] if isinstance(value, int | float | str) else f"a {type(value).__name__}"


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
