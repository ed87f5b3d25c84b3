"""A pipeline carried out on a sample of rows, in this process: nothing is stored and nothing published."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import datetime
from types import GenericAlias
from typing import Any, NamedTuple, get_type_hints

import msgspec
import polars as pl
from msgspec.structs import replace

from penstock.builds.automatic.ports import Carrier
from penstock.core.errors import PenstockError, StepFailed
from penstock.core.targets import resolve
from penstock.datasets.profiles import profile
from penstock.features.training import training_set
from penstock.features.types import RowsSettings, TrainingSet
from penstock.pipelines.graph import spread
from penstock.pipelines.parameters import as_wanted
from penstock.pipelines.types import Graph, Input, Node, Output, Param, Value, Way
from penstock.runs.instances import of_element

Change = Callable[[TrainingSet], TrainingSet]
"""What a test does to training rows before the pipeline sees them."""


class Published(NamedTuple):
    """What a `publish` node was given, the training rows that it refers to, and the column of their time."""

    name: str
    model: Any
    metrics: Mapping[str, float]
    schema: Mapping[str, Any]
    rows: TrainingSet
    time: str
    unsafe_pickle: bool = False


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
        self._rows: dict[str, tuple[TrainingSet, str]] = {}
        self._inputs: dict[str, dict[str, Any]] = {}
        self._outputs: dict[str, dict[str, Any]] = {}
        self._instances: dict[str, list[str]] = {}
        self._published: list[Published] = []

    def run(self) -> Rehearsed:
        for node in self._graph.nodes:
            if spread(node):
                self._do_each(node)
            elif node.kind in _DOES and self._wanted(node):  # what makes rows is here already
                self._done(node, _DOES[node.kind](self, node))
        return Rehearsed(self._inputs, self._outputs, tuple(self._published))

    def _do_each(self, node: Node) -> None:
        """Do a node for each element that it goes over, and gather what came of them."""
        if not all(self._goes(way) for way in node.when if not way.each):
            return
        whole, lengths = self._lists(node)
        if len(set(lengths.values())) > 1:
            found = ", ".join(f"{length} in {name}" for name, length in lengths.items())
            raise StepRaised(what=f"{node.name}: its lists are not of equal length", found=found)
        names = [f"{node.name}[{place}]" for place in range(max(lengths.values()))]
        self._instances[node.name] = names
        for place, name in enumerate(names):
            own = of_element(node, name, self._instances)
            parts = {key: Value(parts[place]) for key, parts in whole.items()}
            own = replace(own, name=name, inputs={**own.inputs, **parts})
            if self._wanted(own):
                self._done(own, _DOES[node.kind](self, own))
        done = [self._outputs[name] for name in names if name in self._outputs]
        first = self._inputs.get(names[0], {}) if names else {}
        self._inputs[node.name] = {key: value for key, value in first.items() if key not in node.over}
        self._done(node, {output: [outputs[output] for outputs in done] for output in node.outputs})

    def _lists(self, node: Node) -> tuple[dict[str, list[Any]], dict[str, int]]:
        """The lists that a node goes over and that are there whole, by input, and the lengths of all."""
        hints = _hints(resolve(node.target)) if node.target else {}
        wires = [(name, node.inputs[name]) for name in node.over]
        wires += [("its condition", way.condition) for way in node.when if way.each]
        whole, lengths = {}, {}
        for name, wire in wires:
            if isinstance(wire, Output) and wire.node in self._instances:
                lengths[name] = len(self._instances[wire.node])
            else:
                whole[name] = self._take(wire, _list_of(hints.get(name)))
                lengths[name] = len(whole[name])
        return whole, lengths

    def _done(self, node: Node, outputs: dict[str, Any]) -> None:
        self._outputs[node.name] = outputs
        self._kept[node.name] = {name: self._keep(node, name, value) for name, value in outputs.items()}

    def _keep(self, node: Node, name: str, value: object) -> Any:
        try:
            asked = node.settings.get("formats", {}).get(name, "")
            return self._carrier.keep(value, asked, again=self._change is not None)
        except PenstockError as error:
            raise StepRaised(what=f"{node.name}: {error}") from error

    def _wanted(self, node: Node) -> bool:
        return all(self._goes(way) for way in node.when)

    def _goes(self, way: Way) -> bool:
        return self._take(way.condition, bool) is way.taken

    def _take(self, wire: Input, annotation: Any) -> Any:
        match wire:
            case Output(node=node, name=name):
                return self._carrier.take(self._kept[node][name], annotation)
            case Param(name=name):
                return as_wanted(self._params[name], annotation)
            case Value(value=value):
                return as_wanted(value, annotation)

    def _make_rows(self, node: Node) -> dict[str, Any]:
        asked = msgspec.convert(node.settings, RowsSettings)
        made = training_rows_of(asked, self._tables, self._as_of)
        made = self._change(made) if self._change else made
        self._rows[node.name] = made, asked.source.event_time
        return {"train": made.train, "holdout": made.holdout, "schema": _described(made)}

    def _step(self, node: Node) -> dict[str, Any]:
        try:
            function = resolve(node.target)
            hints = _hints(function)
            inputs = {name: self._take(wire, hints.get(name)) for name, wire in node.inputs.items()}
            self._inputs[node.name] = inputs
            return _named(node.outputs, function(**inputs))
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
        made, time = self._rows[rows.node]
        self._published.append(
            Published(
                name=str(node.settings["model"]),
                model=self._take(wires["model"], None),
                metrics=self._take(wires["metrics"], None),
                schema=self._take(schema, None),
                rows=made,
                time=time,
                unsafe_pickle=node.settings.get("unsafe_pickle", False),
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


def _list_of(annotation: Any) -> Any:
    return GenericAlias(list, (annotation,)) if annotation is not None else None


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or ["no message"])[0]
