"""Pure: runs side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import unified_diff
from typing import Any

import msgspec

from penstock.runs.types import Metric, Run, StepRun


class Row(msgspec.Struct, frozen=True):
    """One thing that runs have, with its value in each of them, None where one has it not."""

    name: str
    values: tuple[Any, ...]
    differs: bool


class Curve(msgspec.Struct, frozen=True):
    """A metric over the caller's own count: for each run its points, by count."""

    name: str
    points: tuple[tuple[tuple[int, float], ...], ...]


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """A run with all that is compared; `changes` is the patch of what was not committed, and `sources`
    the text of its modules by path.
    """

    run: Run
    steps: list[StepRun]
    metrics: list[Metric]
    packages: dict[str, str] = {}
    changes: str = ""
    sources: dict[str, str] = {}


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Runs side by side, a row for each thing that any of them has.

    `changes` are what was not committed, `sources` how the code of each differs from that of the first.
    """

    runs: tuple[str, ...]
    about: tuple[Row, ...]
    params: tuple[Row, ...]
    metrics: tuple[Row, ...]
    data: tuple[Row, ...]
    code: tuple[Row, ...]
    environment: tuple[Row, ...]
    curves: tuple[Curve, ...]
    changes: tuple[str, ...]
    sources: tuple[str, ...]


def compare(runs: Sequence[Compared]) -> Comparison:
    """Put runs side by side, in the order given."""

    def rows(facts: Callable[[Compared], dict[str, Any]]) -> tuple[Row, ...]:
        return rows_of([facts(run) for run in runs])

    return Comparison(
        runs=tuple(each.run.id for each in runs),
        about=rows(_about),
        params=rows(lambda each: each.run.params),
        metrics=rows(_last_metrics),
        data=rows(_data),
        code=rows(_code),
        environment=rows(_environment),
        curves=_curves([_by_name(each.metrics) for each in runs]),
        changes=tuple(each.changes for each in runs),
        sources=tuple(
            patch(runs[0].sources, each.sources) if runs[0].sources and each.sources else "" for each in runs
        ),
    )


def patch(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    """How texts differ, by path, as a unified diff."""
    parts: list[str] = []
    for path in sorted(before.keys() | now.keys()):
        old, new = before.get(path, ""), now.get(path, "")
        if old != new:
            names = (
                f"a/{path}" if path in before else "/dev/null",
                f"b/{path}" if path in now else "/dev/null",
            )
            parts += unified_diff(old.splitlines(), new.splitlines(), *names, lineterm="")
    return "".join(f"{line}\n" for line in parts)


def rows_of(facts: Sequence[Mapping[str, Any]]) -> tuple[Row, ...]:
    """Facts by name, put side by side: a row for each name that any of them has."""
    names = dict.fromkeys(name for each in facts for name in each)
    found = ((name, tuple(each.get(name) for each in facts)) for name in names)
    return tuple(
        Row(name, values, any(value != values[0] for value in values))
        for name, values in found
        if any(value is not None for value in values)
    )


def _about(each: Compared) -> dict[str, Any]:
    run = each.run
    return {
        "pipeline": run.pipeline,
        "environment": run.environment,
        "status": run.status,
        "created": run.created,
        "seconds": round(sum(step.seconds for step in each.steps), 3),
        "cpu seconds": round(sum(step.cpu for step in each.steps), 3),
        "peak memory": f"{max((step.memory for step in each.steps), default=0) / 2**20:.0f} MiB",
    }


def _last_metrics(each: Compared) -> dict[str, float]:
    return {name: points[-1][1] for name, points in _by_name(each.metrics).items()}


def _data(each: Compared) -> dict[str, Any]:
    return {
        step.name: f"{artifact.meta.get('rows', '?')} rows {artifact.digest}"
        for step in each.steps
        for artifact in step.outputs.values()
        if "snapshot" in artifact.meta
    }


def _code(each: Compared) -> dict[str, Any]:
    origin, lines = each.run.origin, each.changes.splitlines()
    files = sum(line.startswith("diff --git ") for line in lines)
    plus = sum(line.startswith("+") and not line.startswith("+++ ") for line in lines)
    minus = sum(line.startswith("-") and not line.startswith("--- ") for line in lines)
    return {
        "release": each.run.release or None,
        "commit": origin.commit or None,
        "not committed": f"+{plus} -{minus} in {files} file{'s' * (files != 1)}: {origin.changes}"
        if lines
        else None,
        **{f"step {node.name}": node.code for node in each.run.graph.nodes if node.code},
    }


def _environment(each: Compared) -> dict[str, Any]:
    python, lock = each.run.origin.python or None, each.run.workspace.lock or None
    return {"python": python, "lock": lock, **each.packages}


def _by_name(metrics: Iterable[Metric]) -> dict[str, tuple[tuple[int, float], ...]]:
    found: dict[str, list[tuple[int, float]]] = {}
    for metric in metrics:
        found.setdefault(f"{metric.step}.{metric.name}".removeprefix("."), []).append(
            (metric.index, metric.value)
        )
    return {name: tuple(sorted(points)) for name, points in found.items()}


def _curves(runs: Sequence[dict[str, tuple[tuple[int, float], ...]]]) -> tuple[Curve, ...]:
    names = dict.fromkeys(name for run in runs for name, points in run.items() if len(points) > 1)
    return tuple(Curve(name, tuple(run.get(name, ()) for run in runs)) for name in names)
