"""Stand-ins: what a pipeline's variables hold while it is drawn, when nothing has a value yet."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, NoReturn

from penstock.core.errors import InvalidPipeline
from penstock.core.words import meant
from penstock.pipelines.types import Input, Output, Param


class About(NamedTuple):
    """What a stand-in stands for: an input of a step, or a node with several named `outputs`.

    With a number of a call of `each` as its `element`, it is an element of the list that it refers to.
    """

    drawing: object
    title: str
    refers_to: Input | None
    outputs: dict[str, StandIn]
    element: int = 0


class StandIn:
    """A value that will be there when the pipeline runs; until then it can only be passed to a step."""

    def __init__(self, about: About) -> None:
        self._penstock_about = about

    def __repr__(self) -> str:
        return f"<{about(self).title}, while the pipeline is drawn>"

    def __getattr__(self, name: str) -> StandIn:
        # Copying and inspection ask for double-underscore names and expect AttributeError.
        if name.startswith("__"):
            raise AttributeError(name)
        outputs = about(self).outputs
        if name in outputs:
            return outputs[name]
        if outputs:
            raise InvalidPipeline(
                what=f"{about(self).title} has no output `{name}`.", fix=meant(name, outputs)
            )
        return refuse(self, f"`.{name}`")


def about(value: StandIn) -> About:
    """What a stand-in stands for; no attribute of it, since its attributes are the user's outputs."""
    found: About = vars(value)["_penstock_about"]
    return found


def parameter_stand_in(drawing: object, name: str) -> StandIn:
    """The stand-in for a parameter of the pipeline."""
    return StandIn(About(drawing, f"The parameter `{name}`", Param(name), {}))


def result_stand_in(drawing: object, node: str, outputs: Iterable[str], element: int = 0) -> StandIn:
    """The stand-in for a node: for its output if it has one, with attributes if it has several."""
    names = tuple(outputs)
    title = f"The result of `{node}`"
    if len(names) == 1:
        return StandIn(About(drawing, title, Output(node, names[0]), {}, element))
    parts = {
        name: StandIn(About(drawing, f"The output `{node}.{name}`", Output(node, name), {}, element))
        for name in names
    }
    return StandIn(About(drawing, title, None, parts, element))


def of_element(value: StandIn, element: int) -> StandIn:
    """The same stand-in for an element of the list, in the call of `each` `element`; with 0 for the list."""
    known = about(value)
    outputs = {name: of_element(part, element) for name, part in known.outputs.items()}
    return StandIn(known._replace(outputs=outputs, element=element))


def reference(value: StandIn, drawing: object) -> Input:
    """What a stand-in refers to, when it is passed on. Raises InvalidPipeline."""
    known = about(value)
    if known.drawing is not drawing:
        raise InvalidPipeline(
            what=f"{known.title} belongs to another pipeline.", fix="Call the step inside this pipeline."
        )
    if known.refers_to is None:
        raise InvalidPipeline(
            what=f"{known.title} has several outputs",
            expected=f"one of {', '.join('.' + name for name in known.outputs)}",
        )
    return known.refers_to


def refuse(value: StandIn, use: str) -> NoReturn:
    """Refuse a use that needs a value."""
    raise InvalidPipeline(
        what=f"{about(value).title} has no value while the pipeline is drawn",
        found=use,
        fix="It can only be passed to a step: move this into a step.",
    )


def _refusal(use: str) -> Callable[..., NoReturn]:
    def method(self: StandIn, *_: Any, **__: Any) -> NoReturn:
        refuse(self, use)

    return method


_OPERATORS = ["add", "sub", "mul", "matmul", "truediv", "floordiv", "mod", "pow", "and", "or", "xor"]
_USES = {
    "a test for true or false, as in `if`": ["bool"],
    "indexing": ["getitem", "setitem", "delitem"],
    "a loop": ["iter", "next", "reversed"],
    "`in`": ["contains"],
    "`len`": ["len"],
    "a comparison": ["eq", "ne", "lt", "le", "gt", "ge"],
    "a call": ["call"],
    "`with`": ["enter", "exit"],
    "conversion to text": ["str", "format", "bytes"],
    "conversion to a number or an array": ["int", "float", "complex", "index", "round", "array"],
    "arithmetic": [
        "neg",
        "pos",
        "abs",
        "invert",
        *(side + name for name in _OPERATORS for side in ("", "r", "i")),
    ],
}
for _use, _names in _USES.items():
    for _name in _names:
        setattr(StandIn, f"__{_name}__", _refusal(_use))
