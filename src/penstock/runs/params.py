"""Pure: the parameters of a run, bound to those of its pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from penstock.core.errors import InvalidValue
from penstock.pipelines.types import Graph, Parameter

_TYPES: dict[str, tuple[type, ...]] = {"int": (int,), "float": (float, int), "str": (str,), "bool": (bool,)}


def bind(graph: Graph, params: Mapping[str, Any]) -> dict[str, Any]:
    """Every parameter of the pipeline with its value, defaults filled in.

    Raises InvalidValue for one that is unknown, missing or of another type.
    """
    known = {parameter.name: parameter for parameter in graph.parameters}
    for name in params:
        if name not in known:
            meant = get_close_matches(name, known, n=1)
            raise InvalidValue(
                what=f"{graph.pipeline} has no parameter {name}",
                expected=f"one of {', '.join(known)}" if known else "no parameters",
                found=name,
                fix=f"Did you mean {meant[0]}?" if meant else "",
            )
    return {name: _value(graph, parameter, params) for name, parameter in known.items()}


def _value(graph: Graph, parameter: Parameter, params: Mapping[str, Any]) -> Any:
    if parameter.name not in params:
        if parameter.required:
            raise InvalidValue(
                what=f"{graph.pipeline} needs a value for {parameter.name}",
                fix=f"Give it as {parameter.name}=VALUE.",
            )
        return parameter.default
    value: Any = params[parameter.name]
    allowed = _TYPES[parameter.type]
    if not isinstance(value, allowed) or (isinstance(value, bool) and bool not in allowed):
        raise InvalidValue(
            what=f"The parameter {parameter.name} of {graph.pipeline} has another type",
            expected=parameter.type,
            found=repr(value),
        )
    return float(params[parameter.name]) if parameter.type == "float" else value
