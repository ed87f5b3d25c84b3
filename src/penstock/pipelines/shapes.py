"""Words that shape a graph: `each` runs a step for all elements of a list, `choose` takes one of two ways."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, ParamSpec, TypeVar, cast

from penstock.core.errors import InvalidPipeline
from penstock.pipelines.authoring import StepFunction
from penstock.pipelines.branches import SIDES
from penstock.pipelines.drawing import Drawing, current
from penstock.pipelines.signatures import bind
from penstock.pipelines.standins import StandIn, reference
from penstock.pipelines.types import Branch, Input, Node, Options, Output, Param, Value

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
U = TypeVar("U")


def each(step: Callable[P, R], /, **inputs: Any) -> list[R]:
    """A step for every element of a list known perhaps only at run time: `each(fit, rows=parts, rate=0.1)`.

    The first input named is the list; the others are the same for every element. The result is the list of
    results in the same order, an empty one for an empty list; a step with several outputs gives several
    lists. Outside a pipeline it is a loop. Raises InvalidPipeline.
    """
    if not isinstance(step, StepFunction):
        raise InvalidPipeline(
            what="`each` runs a step", found=repr(step), fix="Decorate the function with @step."
        )
    over = next(iter(inputs), "")
    if not over:
        raise InvalidPipeline(
            what=f"`each` needs the list that `{step.__name__}` goes over",
            expected=f"its first input by name: each({step.__name__}, name=list, …)",
        )
    elements = inputs[over]
    drawing = current.get()
    if drawing is None:
        return [step(**{**inputs, over: element}) for element in elements]
    if isinstance(elements, StandIn):
        wanted = isinstance(reference(elements, drawing), Output)
    else:
        wanted = isinstance(elements, list)
    if not wanted:
        raise InvalidPipeline(
            what=f"`each` cannot go over `{over}` of `{step.__name__}`",
            expected="a list, or the result of a step that gives one",
            found=repr(elements),
        )
    return cast("list[R]", step.draw(drawing, bind(step.__wrapped__, (), inputs), over=over))


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
    on = _condition(drawing, condition)
    values: dict[str, Any] = {"condition": condition}
    for (name, taken), way in zip(SIDES.items(), (then, otherwise), strict=True):
        with drawing.branch(Branch(on, taken)) if _is_function(way) else nullcontext():
            values[name] = _drawn(way)
    node = Node(
        name="choose",
        kind="choose",
        inputs=drawing.inputs("choose", values),
        options=Options(cache=False),
    )
    return cast("T | U", drawing.add(node))


def _condition(drawing: Drawing, condition: object) -> Input:
    if isinstance(condition, StandIn):
        on: Input = reference(condition, drawing)
        found = drawing.types[on.name] if isinstance(on, Param) else "bool"
    else:  # such as a value that another pipeline gave for a parameter
        on, found = Value(condition), type(condition).__name__
    if found != "bool":
        raise InvalidPipeline(
            what="This cannot be the condition of `choose`",
            expected="the result of a step, or a parameter of type bool",
            found=f"{condition!r} of type {found}",
        )
    return on


def _is_function(way: object) -> bool:
    return callable(way) and not isinstance(way, StandIn)


def _drawn(way: Any) -> Any:
    return way() if _is_function(way) else way
