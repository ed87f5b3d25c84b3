"""Words that shape a graph: `each` goes over lists, `choose` takes one of two ways."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any, ParamSpec, TypeVar, cast

from penstock.core.errors import InvalidPipeline
from penstock.core.words import meant
from penstock.pipelines.authoring import Pipeline, StepFunction
from penstock.pipelines.drawing import Drawing, current, element_of
from penstock.pipelines.graph import spread
from penstock.pipelines.standins import About, StandIn, of_element, reference
from penstock.pipelines.types import Input, Node, Options, Output, Param, Value, Way
from penstock.pipelines.ways import SIDES

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
U = TypeVar("U")


def each(function: Callable[P, R] | Pipeline, /, *over: str, **inputs: Any) -> list[R]:
    """A step or a pipeline for every element of a list known perhaps only at run time.

    `each(fit, rows=parts, rate=0.1)` goes over the first input named; the others are the same for every
    element. `each(fit, "rows", "rate", rows=parts, rate=rates)` goes over several lists of equal length in
    step. The result is the list of results in the same order, an empty one for an empty list; a step with
    several outputs gives several lists. An element goes on to the next `each` as soon as it is ready.
    Outside a pipeline it is a loop over a step. Raises InvalidPipeline.
    """
    if not isinstance(function, StepFunction | Pipeline):
        raise InvalidPipeline(
            what="`each` runs a step or a pipeline",
            found=repr(function),
            fix="Decorate the function with @step or @pipeline.",
        )
    name = function.__name__
    lists = over or tuple(inputs)[:1]
    if not lists:
        raise InvalidPipeline(
            what=f"`each` needs the list that `{name}` goes over",
            expected=f"its first input by name: each({name}, name=list, …)",
        )
    for wanted in lists:
        if wanted not in inputs:
            raise InvalidPipeline(
                what=f"`each` has no list `{wanted}` to go over.", fix=meant(wanted, inputs)
            )
    drawing = current.get()
    if drawing is None:
        return [function(**inputs, **own) for own in _in_step({name: inputs.pop(name) for name in lists})]
    number = drawing.number()
    elements = {
        wanted: _element(drawing, f"`{wanted}` of `{name}`", inputs[wanted], number) for wanted in lists
    }
    return cast("list[R]", _lists(name, function(**{**inputs, **elements}), number))


def choose(
    condition: bool,
    then: Callable[[], T] | T,
    otherwise: Callable[[], U] | U = None,  # type: ignore[assignment]
) -> T | U:
    """One of two ways, by a condition known only at run time: `choose(good, lambda: fit(rows), champion)`.

    A way is a function, called while drawing, or a value. What it draws, and every step that nothing else
    uses, runs only if that way is taken, and is skipped otherwise; the result is that of the way taken.
    `condition` is a step's result, true or false, or a parameter of type bool. Outside a pipeline it is an
    `if`. Raises InvalidPipeline.
    """
    drawing = current.get()
    if drawing is None:
        return cast("T | U", _drawn(then if condition else otherwise))
    on, element = _condition(drawing, condition), element_of(condition)
    values: dict[str, Any] = {"condition": condition}
    for (name, taken), way in zip(SIDES.items(), (then, otherwise), strict=True):
        with drawing.way(Way(on, taken, bool(element)), element) if _is_function(way) else nullcontext():
            values[name] = _drawn(way)
    node = Node(name="choose", kind="choose", options=Options(cache=False))
    return cast("T | U", drawing.add(node, values))


def _in_step(lists: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The elements of lists of equal length, one of each at a time."""
    lengths = {name: len(values) for name, values in lists.items()}
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{length} in {name}" for name, length in lengths.items())
        raise InvalidPipeline(
            what="`each` goes over its lists in step", expected="lists of equal length", found=found
        )
    return [dict(zip(lists, parts, strict=True)) for parts in zip(*lists.values(), strict=True)]


def _element(drawing: Drawing, place: str, values: object, number: int) -> StandIn:
    """The stand-in for an element of a list."""
    if isinstance(values, StandIn):
        wire = reference(values, drawing)
        if element_of(values):
            raise InvalidPipeline(
                what=f"`each` goes over {place}, which is an element of another list.",
                fix="Make one list of all in a step, or go over the inner list in a step.",
            )
        if isinstance(wire, Output) or (
            isinstance(wire, Param) and drawing.types[wire.name].startswith("list")
        ):
            return of_element(values, number)
    elif isinstance(values, list):
        return StandIn(About(drawing, f"An element of {place}", Value(values), {}, number))
    raise InvalidPipeline(
        what=f"`each` cannot go over {place}",
        expected="a list, or the result of a step that gives one",
        found=repr(values),
    )


def _lists(name: str, result: Any, number: int) -> Any:
    """What came of a single element, as the lists of what came of all."""
    match result:
        case StandIn() if element_of(result) == number:
            return of_element(result, 0)
        case None:
            return None
        case dict():
            return {key: _lists(name, part, number) for key, part in result.items()}
        case tuple() if hasattr(result, "_fields"):
            return type(result)(*(_lists(name, part, number) for part in result))
        case list() | tuple():
            return type(result)(_lists(name, part, number) for part in result)
    raise InvalidPipeline(
        what=f"`{name}` returns what is the same for every element of the list",
        found=repr(result),
        fix="Return what its steps made of the element.",
    )


def _condition(drawing: Drawing, condition: object) -> Input:
    if isinstance(condition, StandIn):
        on = reference(condition, drawing)
        found = drawing.types[on.name] if isinstance(on, Param) else "bool"
        made = isinstance(on, Output) and spread(drawing.nodes[on.node])
        if element_of(condition) and not made:
            found = "an element of a list, which no step has looked at"
    else:  # such as a value that another pipeline gave for a parameter
        on, found = Value(condition), type(condition).__name__
    if found != "bool":
        raise InvalidPipeline(
            what="This cannot be the condition of `choose`",
            expected="the result of a step, or a parameter of type bool",
            found=f"{condition!r}, {found}" if " " in found else f"{condition!r} of type {found}",
        )
    return on


def _is_function(way: object) -> bool:
    return callable(way) and not isinstance(way, StandIn)


def _drawn(way: Any) -> Any:
    return way() if _is_function(way) else way
