"""GET: runs, what they said while they ran, what they drew, runs side by side, and sweeps."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlencode

import msgspec
from msgspec.structs import replace

from penstock.app.api.lists import LIMIT, listed
from penstock.app.api.routes import Routes
from penstock.app.sources import packages_of, sources_of
from penstock.app.sweeps import results
from penstock.app.workbench import Workbench
from penstock.checks import Check, parse
from penstock.checks.metrics import METRICS
from penstock.core.errors import InvalidValue, NotFound
from penstock.lineage.attachments import attached
from penstock.lineage.tags import tags_of
from penstock.runs.comparison import Compared, compare
from penstock.runs.instances import in_order, metrics_in_order, node_of
from penstock.runs.logbook import UsedData
from penstock.runs.search import Question, search
from penstock.runs.sweeps import Sweep
from penstock.runs.types import Metric, Run, StepRun
from penstock.runs.views import ACTIVE

ROUTES = Routes()
route = ROUTES.route

MOST_BYTES = 64 << 20
"""Bytes of an output that one answer holds."""

LINES = 10_000
"""How many lines of logs one answer has at most."""


@route("GET", "/runs")
def runs(
    bench: Workbench,
    *,
    project: str = "",
    pipeline: str = "",
    environment: str = "",
    status: str = "",
    params: str = "",
    where: str = "",
    order: str = "",
    minimize: bool | None = None,
    limit: int = LIMIT,
) -> Any:
    """Runs, the newest first, without their graphs.

    `params` are parameters as in a query (`rate=0.1&depth=3`), `where` are bounds of metrics with commas
    between (`roc_auc >= 0.7`), and `order` is a metric: the best come first, or with `minimize` the least.
    """
    given = {"project": project, "pipeline": pipeline, "environment": environment, "status": status}
    known = METRICS.get(order)
    question = Question(
        where={"deleted": None} | {name: value for name, value in given.items() if value},
        params=dict(_pairs(params)),
        bounds=tuple(_bound(text) for text in where.split(",") if text.strip()),
        by=order,
        least=minimize if minimize is not None else known is not None and not known.greater_is_better,
        limit=limit,
    )
    with bench.store.read() as reader:
        return {"items": search(reader, question)}


@route("GET", "/runs/{id}")
def run(bench: Workbench, id: str) -> Any:  # noqa: A002 - the field's name
    """A run with its steps and metrics; of one that a client logged, also its tags, files and data."""
    with bench.store.read() as reader:
        found = reader.get(Run, id)
        steps = in_order(found.graph, reader.find(StepRun, run=id))
        return {
            **msgspec.structs.asdict(found),
            "steps": steps,
            "metrics": metrics_in_order(steps, reader.find(Metric, run=id)),
            "tags": tags_of(reader, [f"run:{id}"])[f"run:{id}"],
            "files": [
                {"path": path, "bytes": file.size, "digest": file.digest}
                for path, file in sorted(attached(reader, f"run:{id}").items())
            ],
            "data": reader.find(UsedData, run=id),
        }


@route("GET", "/runs/{id}/logs")
def logs(bench: Workbench, id: str, step: str = "", after: str = "", limit: int = LINES) -> Any:  # noqa: A002 - the field's name
    """The log lines of a run's steps, in the order of the steps; `step` may be one over a list.

    `after` goes on where `next` ended. `ended` says that no line will come any more: the run has ended
    and every line of it is told.
    """
    with bench.store.read() as reader:
        found = reader.get(Run, id)
        ended = found.status not in ACTIVE  # looked at before the lines are read
        names = [s.name for s in in_order(found.graph, reader.find(StepRun, run=id))]
    chosen = [name for name in names if step in {"", name, node_of(name)}]
    if step and not chosen:
        raise NotFound(what=f"Run {id} has no step {step}.", expected=f"a step among {', '.join(names)}")
    offsets = _offsets(after)
    items: list[dict[str, Any]] = []
    for name in chosen:
        if room := int(limit) - len(items):
            lines, offsets[name] = bench.log_lines(f"{id}/{name}", offsets.get(name, 0), room)
            items += ({"step": name, **line} for line in lines)
    following = urlencode({name: offset for name, offset in offsets.items() if offset})
    return {"items": items, "next": following, "ended": ended and len(items) < int(limit)}


@route("GET", "/runs/{id}/figures")
def figures(bench: Workbench, id: str) -> Any:  # noqa: A002 - the field's name
    """The figures that a run's steps logged: media type and, in base64, bytes."""
    with bench.store.read() as reader:
        reader.get(Run, id)
        steps = reader.find(StepRun, run=id)
    return {
        "items": [
            {
                "step": step.name,
                "name": name,
                "media": artifact.meta["media"],
                "data": bench.blobs.get(artifact.digest),
            }
            for step in steps
            for name, artifact in step.figures.items()
        ]
    }


@route("GET", "/runs/{id}/outputs/{step}/{name}")
def output(bench: Workbench, id: str, step: str, name: str) -> Any:  # noqa: A002 - the field's name
    """An output of a step: its format and, in base64, its bytes. Larger ones are read from the home."""
    with bench.store.read() as reader:
        artifact = reader.get(StepRun, f"{id}/{step}").outputs.get(name)
    if artifact is None:
        raise NotFound(what=f"The step {step} of run {id} has no output {name}.")
    if artifact.size > MOST_BYTES:
        raise InvalidValue(
            what=f"The output {name} of {step} is too large for one answer",
            expected=f"at most {MOST_BYTES} bytes",
            found=str(artifact.size),
            fix="Read it on the machine of the server, with penstock.connect(home=...).",
        )
    return {**msgspec.structs.asdict(artifact), "data": bench.blobs.get(artifact.digest)}


@route("GET", "/compare/{runs}")
def compare_runs(bench: Workbench, runs: str) -> Any:
    """Runs (`3,5`) side by side: parameters, metrics, data, code and environment."""
    numbers = [number for number in runs.split(",") if number]
    if len(numbers) < 2:
        raise InvalidValue(expected="at least two runs", found=runs or "none")
    return compare([_compared(bench, number) for number in numbers])


@route("GET", "/sweeps")
def sweeps(bench: Workbench, project: str = "", limit: int = LIMIT) -> Any:
    """Sweeps, the newest first."""
    return listed(bench, Sweep, "-created", limit, project=project)


@route("GET", "/sweeps/{id}")
def sweep(bench: Workbench, id: str) -> Any:  # noqa: A002 - the field's name
    """A sweep with its trials, the best first."""
    with bench.store.read() as reader:
        found = reader.get(Sweep, id)
    return {**msgspec.structs.asdict(found), "results": results(bench, found)}


def _compared(bench: Workbench, number: str) -> Compared:
    with bench.store.read() as reader:
        run = reader.get(Run, number)
        steps, metrics = reader.find(StepRun, run=number), reader.find(Metric, run=number)
    if run.release and not run.origin.commit:
        run = replace(run, origin=replace(run.origin, commit=bench.commit_of(run.release)))
    origin = run.origin
    return Compared(
        run=run,
        steps=steps,
        metrics=metrics_in_order(steps, metrics),
        packages=packages_of(bench, run),
        sources=sources_of(bench, run),
        changes=bench.blobs.get(origin.changes).decode(errors="replace") if origin.changes else "",
    )


def _offsets(after: str) -> dict[str, int]:
    try:
        return {name: int(offset) for name, offset in parse_qsl(after, strict_parsing=bool(after))}
    except ValueError:
        raise InvalidValue(expected="what an earlier answer gave as `next`", found=repr(after)) from None


def _pairs(text: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(text, strict_parsing=bool(text), keep_blank_values=True)
    except ValueError:
        raise InvalidValue(expected="parameters such as rate=0.1&depth=3", found=repr(text)) from None


def _bound(text: str) -> Check:
    check = parse(text)
    if check.right:
        raise InvalidValue(expected="a metric against a number, such as roc_auc >= 0.7", found=repr(text))
    return check
