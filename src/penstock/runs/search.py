"""Finding runs among many: by where and what they ran, by parameters, and by what they measured."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from penstock.checks.check import Check
from penstock.lineage.ports import Between, Reader
from penstock.runs.instances import node_of
from penstock.runs.types import Metric, Run

FIRST = 64
"""How many candidates are looked at first; where filters leave too few of them, eight times as many next."""

_LARGE = ("graph", "workspace")
FIELDS = tuple(name for name in Run.__struct_fields__ if name not in _LARGE)
"""What is told of a run in a list: all but its graph and its workspace."""

Ranked = list[tuple[str, float | None]]
Keep = Callable[[Reader, tuple[str, ...]], Collection[str]]
"""Those of some runs that are wanted, for what a question cannot say."""


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """Which runs are wanted, and in which order.

    `where` are values of the run's own fields, `params` those of its parameters as text, and `bounds` what
    its metrics must satisfy. The order is by the metric `by`, the greatest first or the `least`, followed
    with `rest` by the runs that never measured it; without `by`, the newest come first. The first `skip` of
    these are left out. `limit` 0 is none.
    """

    where: Mapping[str, Any] = {}
    params: Mapping[str, str] = {}
    bounds: tuple[Check, ...] = ()
    by: str = ""
    least: bool = False
    rest: bool = False
    skip: int = 0
    limit: int = 0


def search(reader: Reader, question: Question, keep: Keep | None = None) -> list[dict[str, Any]]:
    """The runs that are wanted, each with `FIELDS` and, where the order is by a metric, its `value`."""
    ranked = _ranked(reader, question, keep)
    ids = tuple(run for run, _ in ranked)
    found = {row[0]: row for row in reader.pick(Run, FIELDS, id=ids)}
    value = {run: {"value": number} if question.by else {} for run, number in ranked}
    return [{**dict(zip(FIELDS, found[run], strict=True)), **value[run]} for run in ids]


def values_of(reader: Reader, metric: str, runs: Sequence[str]) -> dict[str, float]:
    """A metric of several runs: the last value of the last step that has it; runs without it are left out."""
    found: dict[str, list[tuple[str, int, float]]] = {}
    rows = reader.pick(
        Metric, ("run", "step", "index", "value"), run=tuple(runs), name=metric, final=True, order="index"
    )
    for run, step, index, value in rows:
        found.setdefault(run, []).append((step, index, value))
    return {
        run: measured[0][2] if len(measured) == 1 else _last(reader, run, measured)
        for run, measured in found.items()
    }


def _last(reader: Reader, run: str, measured: Sequence[tuple[str, int, float]]) -> float:
    place = {node.name: number for number, node in enumerate(reader.get(Run, run).graph.nodes)}
    return max(measured, key=lambda each: (place[node_of(each[0])], each[1]))[2]


def _ranked(reader: Reader, question: Question, keep: Keep | None) -> Ranked:
    """The first runs in order that pass the filters; without filters no more is read than is wanted."""
    filtered = question.params or question.bounds or keep or (question.by and question.where)
    last = question.limit and question.skip + question.limit
    size = max(FIRST, 2 * last) if last and (filtered or question.by) else last
    while True:
        measured = _measured(reader, question, size) if question.by else []
        others = _newest(reader, question, size) if question.rest or not question.by else []
        passed = list(_passing(reader, question, measured + others, keep))
        if (last and len(passed) >= last) or not size or max(len(measured), len(others)) < size:
            return passed[question.skip : last or None]
        size *= 8


def _newest(reader: Reader, question: Question, size: int) -> Ranked:
    ids = reader.pick(Run, ("id",), order="-created", limit=size, **question.where)
    return [(run, None) for (run,) in ids]


def _measured(reader: Reader, question: Question, size: int) -> Ranked:
    order = "value" if question.least else "-value"
    within = _within(check for check in question.bounds if check.left == question.by)
    return reader.pick(
        Metric, ("run", "value"), name=question.by, final=True, value=within, order=order, limit=size
    )


def _within(bounds: Iterable[Check]) -> Between:
    """The values that the bounds of one metric leave; `!=` is left for later."""
    starts, ends = [-math.inf], [math.inf]
    for check in bounds:
        above = math.nextafter(check.offset, math.inf)
        if check.operator in (">=", "==", ">"):
            starts.append(above if check.operator == ">" else check.offset)
        if check.operator in ("<=", "==", "<"):
            ends.append(check.offset if check.operator == "<" else above)
    start, end = max(starts), min(ends)
    return Between(start if math.isfinite(start) else None, end if math.isfinite(end) else None)


def _passing(
    reader: Reader, question: Question, candidates: Ranked, keep: Keep | None
) -> Iterator[tuple[str, float | None]]:
    ids = tuple(dict.fromkeys(run for run, _ in candidates))
    kept = _with_fields(reader, question, ids)
    if keep:
        kept = dict.fromkeys(keep(reader, tuple(kept)))
    names = {check.left for check in question.bounds} | ({question.by} if question.by else set())
    measured = {name: values_of(reader, name, tuple(kept)) for name in names}
    seen = set[str]()
    for run, value in candidates:
        if run not in kept or run in seen:
            continue
        if question.by and measured[question.by].get(run) != value:  # another step of it measured it later
            continue
        facts = {name: values[run] for name, values in measured.items() if run in values}
        if all(check.evaluate(facts).passed for check in question.bounds):
            seen.add(run)
            yield run, value


def _with_fields(reader: Reader, question: Question, ids: tuple[str, ...]) -> dict[str, None]:
    if not (question.params or (question.by and question.where)):
        return dict.fromkeys(ids)
    rows = reader.pick(Run, ("id", "params"), id=ids, **question.where)
    wanted = question.params.items()
    return {
        run: None for run, params in rows if all(_text(params.get(name)) == text for name, text in wanted)
    }


def _text(value: Any) -> str:
    """A parameter as it is written on the command line."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
