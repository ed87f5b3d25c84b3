"""A pipeline carried out on a sample of rows, in this process: nothing is stored and nothing published."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple, get_type_hints

import msgspec
import polars as pl

from penstock.builds.automatic.ports import Carrier
from penstock.core.errors import PenstockError, StepFailed
from penstock.core.targets import resolve
from penstock.datasets.profiles import profile
from penstock.features.training import training_set
from penstock.features.types import RowsSettings, TrainingSet
from penstock.pipelines.types import Graph, Input, Node, Output, Param, Value

Change = Callable[[TrainingSet], TrainingSet]
"""What a test does to training rows before the pipeline sees them."""


class Published(NamedTuple):
    """What a `publish` node was given, and the training rows that it refers to."""

    name: str
    model: Any
    metrics: Mapping[str, float]
    schema: Mapping[str, Any]
    rows: TrainingSet


class Rehearsed(NamedTuple):
    """What came of a rehearsal: per step what went in and came out, and the models."""

    inputs: dict[str, dict[str, Any]]
    outputs: dict[str, dict[str, Any]]
    published: tuple[Published, ...]


class StepRaised(PenstockError):
    """A step failed on the sample."""

    code = "step_raised"


def rehearse(
    graph: Graph,
    tables: Mapping[str, pl.DataFrame],
    as_of: datetime,
    carrier: Carrier,
    change: Change | None = None,
) -> Rehearsed:
    """Carry out a graph with the defaults of its parameters, its sources being `tables`.

    Raises StepRaised, naming the step, when one fails or returns what cannot be kept, and InvalidValue
    when the sample gives no training rows.
    """
    return _Rehearsal(graph, tables, as_of, carrier, change).run()


def training_rows_of(asked: RowsSettings, tables: Mapping[str, pl.DataFrame], as_of: datetime) -> TrainingSet:
    """The training rows that the sample gives. Raises InvalidValue."""
    rows = {name: table.lazy() for name, table in tables.items()}
    return training_set(msgspec.to_builtins(asked), rows, as_of)


class _Rehearsal:
    def __init__(
        self,
        graph: Graph,
        tables: Mapping[str, pl.DataFrame],
        as_of: datetime,
        carrier: Carrier,
        change: Change | None,
    ) -> None:
        self._graph = graph
        self._tables = tables
        self._as_of = as_of
        self._carrier = carrier
        self._change = change
        self._params = {each.name: each.default for each in graph.parameters}
        self._kept: dict[str, dict[str, Any]] = {}
        self._rows: dict[str, TrainingSet] = {}
        self._inputs: dict[str, dict[str, Any]] = {}
        self._outputs: dict[str, dict[str, Any]] = {}
        self._published: list[Published] = []

    def run(self) -> Rehearsed:
        for node in self._graph.nodes:
            if node.kind != "snapshot" and self._wanted(node):
                outputs = _DOES[node.kind](self, node)
                self._outputs[node.name] = outputs
                self._kept[node.name] = {
                    name: self._keep(node, name, value) for name, value in outputs.items()
                }
        return Rehearsed(self._inputs, self._outputs, tuple(self._published))

    def _keep(self, node: Node, name: str, value: object) -> Any:
        try:
            return self._carrier.keep(value, node.settings.get("formats", {}).get(name, ""))
        except PenstockError as error:
            raise StepRaised(what=f"{node.name}: {error}") from error

    def _wanted(self, node: Node) -> bool:
        return all(self._take(way.condition, bool) is way.taken for way in node.when)

    def _take(self, wire: Input, annotation: Any) -> Any:
        match wire:
            case Output(node=node, name=name):
                return self._carrier.take(self._kept[node][name], annotation)
            case Param(name=name):
                return self._params[name]
            case Value(value=value):
                return value

    def _make_rows(self, node: Node) -> dict[str, Any]:
        asked = msgspec.convert(node.settings, RowsSettings)
        made = training_rows_of(asked, self._tables, self._as_of)
        made = self._change(made) if self._change else made
        self._rows[node.name] = made
        return {"train": made.train, "holdout": made.holdout, "schema": _described(made)}

    def _step(self, node: Node) -> dict[str, Any]:
        try:
            function = resolve(node.target)
            hints = _hints(function)
            inputs = {name: self._take(wire, hints.get(name)) for name, wire in node.inputs.items()}
            self._inputs[node.name] = inputs
            if not node.over:
                return _named(node.outputs, function(**inputs))
            each = [
                _named(node.outputs, function(**{**inputs, node.over: part})) for part in inputs[node.over]
            ]
            return {name: [values[name] for values in each] for name in node.outputs}
        except Exception as error:
            what = f"{node.name} fails on the sample: {type(error).__name__}: {_first_line(error)}"
            raise StepRaised(what=what, fix=f"See {node.target.replace(':', ', function ')}.") from error

    def _choose(self, node: Node) -> dict[str, Any]:
        side = "then" if self._take(node.inputs["condition"], bool) else "otherwise"
        return {"result": self._take(node.inputs[side], None)}

    def _publish(self, node: Node) -> dict[str, Any]:
        wires = node.inputs
        schema, rows = wires["inputs"], wires["holdout"]
        assert isinstance(rows, Output)  # noqa: S101 - `publish` draws it so
        self._published.append(
            Published(
                name=str(node.settings["model"]),
                model=self._take(wires["model"], None),
                metrics=self._take(wires["metrics"], None),
                schema=self._take(schema, None),
                rows=self._rows[rows.node],
            )
        )
        return {}


_DOES: dict[str, Callable[[_Rehearsal, Node], dict[str, Any]]] = {
    "rows": _Rehearsal._make_rows,  # noqa: SLF001 - its own
    "step": _Rehearsal._step,  # noqa: SLF001 - its own
    "choose": _Rehearsal._choose,  # noqa: SLF001 - its own
    "publish": _Rehearsal._publish,  # noqa: SLF001 - its own
}


def _described(made: TrainingSet) -> dict[str, Any]:
    """The schema as a run hands it over: JSON, with the profile of the training rows."""
    examples = {
        name: [None if isinstance(value, float) and not math.isfinite(value) else value for value in values]
        for name, values in made.schema["examples"].items()
    }
    profiled = msgspec.to_builtins(profile(made.train, list(examples)))
    return {**made.schema, "examples": examples, "profile": profiled}


def _named(names: tuple[str, ...], value: Any) -> dict[str, Any]:
    if len(names) == 1:
        return {names[0]: value}
    missing = [name for name in names if not hasattr(value, name)]
    if missing:
        raise StepFailed(what=f"It returned a {type(value).__name__} without {', '.join(missing)}")
    return {name: getattr(value, name) for name in names}


def _hints(function: Any) -> dict[str, Any]:
    try:
        return get_type_hints(getattr(function, "__wrapped__", function))
    except (NameError, TypeError):
        return {}


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or ["no message"])[0]
