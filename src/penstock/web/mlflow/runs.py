"""MLflow's calls on runs, and on what is logged to them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec.structs import asdict, replace

from penstock.app import App
from penstock.core.errors import InvalidValue
from penstock.lineage.ports import Reader
from penstock.models.logged import LoggedModel, Measurement
from penstock.runs.logbook import Point, UsedData
from penstock.runs.search import FIELDS, Keep, Question, search
from penstock.runs.types import Metric, Run, RunStatus
from penstock.web.mlflow.artifacts import files_at, lines, place, run_uri
from penstock.web.mlflow.asked import MetricPoint, OfRun, Page, Pair, by_key, following
from penstock.web.mlflow.filters import Clause, Order, holds, in_order, parse_filter, parse_order
from penstock.web.mlflow.forms import MODEL, NAME, Seen, metric_form, moment, run_form, see
from penstock.web.mlflow.series import deleted_of
from penstock.web.mlflow.table import Answer, Calls

CALLS = Calls()
call = CALLS.call
USUAL, MOST = 1000, 50_000
"""Runs in an answer, unless more are asked for, and at most."""
HISTORY = 25_000
"""Values of a metric in an answer."""
NEWEST = Order("attribute", "start_time", descending=True)
_STATUS: dict[str, RunStatus] = {
    "RUNNING": "open",
    "SCHEDULED": "open",
    "FINISHED": "succeeded",
    "FAILED": "failed",
    "KILLED": "cancelled",
}
_NUMBERS = ("RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED")


class Create(msgspec.Struct, frozen=True):
    """A new run."""

    experiment_id: str = "0"
    user_id: str = ""
    run_name: str = ""
    start_time: int = 0
    tags: tuple[Pair, ...] = ()


class Update(OfRun, frozen=True):
    """How a run ended, or its name."""

    status: str | int = ""
    end_time: int = 0
    run_name: str = ""


class LogMetric(MetricPoint, frozen=True, kw_only=True):
    """A value of a run's metric."""

    run_id: str


class LogPair(OfRun, frozen=True, kw_only=True):
    """A parameter or tag of a run."""

    key: str
    value: str = ""


class Batch(OfRun, frozen=True):
    """Several of each."""

    metrics: tuple[MetricPoint, ...] = ()
    params: tuple[Pair, ...] = ()
    tags: tuple[Pair, ...] = ()


class DataSet(msgspec.Struct, frozen=True):
    """Data as a client describes it."""

    name: str
    digest: str = ""
    source_type: str = ""
    source: str = ""
    schema: str = ""
    profile: str = ""


class DataInput(msgspec.Struct, frozen=True):
    """Data that a run used, and as what."""

    dataset: DataSet
    tags: tuple[Pair, ...] = ()


class ModelUse(msgspec.Struct, frozen=True):
    """A logged model that a run used, or made at a step."""

    model_id: str
    step: int = 0


class Inputs(OfRun, frozen=True):
    """What a run used."""

    datasets: tuple[DataInput, ...] = ()
    models: tuple[ModelUse, ...] = ()


class Outputs(OfRun, frozen=True):
    """What a run made."""

    models: tuple[ModelUse, ...] = ()


class Search(Page, frozen=True):
    """Runs of some experiments that satisfy a filter, in an order."""

    experiment_ids: tuple[str, ...] = ()
    filter: str = ""
    order_by: tuple[str, ...] = ()
    run_view_type: str | int = "ACTIVE_ONLY"


class History(Page, frozen=True, kw_only=True):
    """All values of a metric."""

    run_id: str
    metric_key: str


class Files(OfRun, frozen=True):
    """What lies in a folder of a run."""

    path: str = ""


@call("POST", "mlflow/runs/create")
def create(app: App, who: str, asked: Create) -> Answer:
    """Begin a run."""
    tags = by_key(asked.tags)
    if asked.run_name:
        tags[NAME] = asked.run_name
    actor = who or tags.get("mlflow.user") or asked.user_id
    started = moment(asked.start_time) if asked.start_time else None
    run = app.logbook.open(asked.experiment_id, actor=app.actor(actor), started=started, tags=tags)
    row = {name: getattr(run, name) for name in FIELDS}
    return {"run": run_form(Seen(row=row, params={}, tags=tags, metrics={}, data=[]), ())}


@call("GET", "mlflow/runs/get")
def get(app: App, _who: str, asked: OfRun) -> Answer:
    """A run with its data."""
    with app.store.read() as reader:
        [seen] = see(reader, [row_of(reader, asked.run_id)])
        made = reader.find(LoggedModel, run=asked.run_id, deleted=None)
    return {"run": run_form(seen, made)}


@call("POST", "mlflow/runs/update")
def update(app: App, who: str, asked: Update) -> Answer:
    """Tell how a run ended, or its name."""
    if asked.run_name:
        app.logbook.log(asked.run_id, tags={NAME: asked.run_name})
    if asked.status:
        ended = moment(asked.end_time) if asked.end_time else None
        app.logbook.close(asked.run_id, _status(asked.status), ended, actor=app.actor(who))
    with app.store.read() as reader:
        [seen] = see(reader, [row_of(reader, asked.run_id)])
    return {"run_info": seen.info()}


@call("POST", "mlflow/runs/delete")
def delete(app: App, who: str, asked: OfRun) -> Answer:
    """Let a run be seen no more."""
    app.logbook.delete(asked.run_id, actor=app.actor(who))
    return {}


@call("POST", "mlflow/runs/restore")
def restore(app: App, who: str, asked: OfRun) -> Answer:
    """Let a deleted run be seen again."""
    app.logbook.delete(asked.run_id, actor=app.actor(who), restore=True)
    return {}


@call("POST", "mlflow/runs/log-metric")
def log_metric(app: App, _who: str, asked: LogMetric) -> Answer:
    """Add a value of a metric."""
    _log_metrics(app, asked.run_id, [asked])
    return {}


@call("POST", "mlflow/runs/log-parameter")
def log_parameter(app: App, _who: str, asked: LogPair) -> Answer:
    """Add a parameter."""
    app.logbook.log(asked.run_id, params={asked.key: asked.value})
    return {}


@call("POST", "mlflow/runs/log-batch")
def log_batch(app: App, _who: str, asked: Batch) -> Answer:
    """Add metrics, parameters and tags, all of them or none."""
    _log_metrics(app, asked.run_id, asked.metrics, by_key(asked.params), by_key(asked.tags))
    return {}


@call("POST", "mlflow/runs/set-tag")
def set_tag(app: App, _who: str, asked: LogPair) -> Answer:
    """Attach a text."""
    app.logbook.log(asked.run_id, tags={asked.key: asked.value})
    return {}


@call("POST", "mlflow/runs/delete-tag")
def delete_tag(app: App, _who: str, asked: LogPair) -> Answer:
    """Remove a tag."""
    app.logbook.untag(asked.run_id, asked.key)
    return {}


@call("POST", "mlflow/runs/log-inputs")
def log_inputs(app: App, _who: str, asked: Inputs) -> Answer:
    """Tell what a run used."""
    data = [(each.dataset, by_key(each.tags)) for each in asked.datasets]
    data += [(DataSet(name=each.model_id, source_type=MODEL), {}) for each in asked.models]
    used = [
        UsedData(
            id=f"{asked.run_id}/{each.name}/{each.digest}",
            run=asked.run_id,
            tags=tags,
            **asdict(each),
        )
        for each, tags in data
    ]
    app.logbook.used(asked.run_id, used)
    return {}


@call("POST", "mlflow/runs/outputs")
def log_outputs(app: App, _who: str, asked: Outputs) -> Answer:
    """Tell which logged models a run made."""
    app.logged.made_by(asked.run_id, {each.model_id: each.step for each in asked.models})
    return {}


@call("POST", "mlflow/runs/log-model")
def log_model(app: App, _who: str, asked: OfRun) -> Answer:
    """What older clients tell of a model beside its files, which say the same."""
    app.logbook.log(asked.run_id)
    return {}


@call("POST", "mlflow/runs/search")
def search_runs(app: App, _who: str, asked: Search) -> Answer:
    """Runs of some experiments, the newest first or in an order."""
    skip, limit = asked.span(USUAL, MOST)
    clauses, orders = parse_filter(asked.filter), parse_order(asked.order_by)
    ids = asked.experiment_ids
    where: dict[str, Any] = {"experiment": ids[0] if len(ids) == 1 else ids}  # of one, in order by its index
    wants_deleted = deleted_of(asked.run_view_type)
    if wants_deleted is False:
        where["deleted"] = None
    if wants_deleted:
        clauses = (*clauses, Clause("attribute", "lifecycle_stage", "=", "deleted"))
    with app.store.read() as reader:
        rows = _found(reader, Question(where=where, skip=skip, limit=limit + 1), clauses, orders)
        seen = see(reader, rows[:limit])
        made = _made_by(reader, [each.row["id"] for each in seen])
    forms = [run_form(each, made.get(each.row["id"], ())) for each in seen]
    return {"runs": forms, **following(skip, limit, len(rows))}


@call("GET", "mlflow/metrics/get-history")
def get_history(app: App, _who: str, asked: History) -> Answer:
    """Every value of a metric, in the order in which they were logged."""
    skip, limit = asked.span(HISTORY, HISTORY)
    with app.store.read() as reader:
        row_of(reader, asked.run_id)
        found = reader.find(Metric, run=asked.run_id, name=asked.metric_key, limit=skip + limit + 1)[skip:]
    return {"metrics": [metric_form(each) for each in found[:limit]], **following(skip, limit, len(found))}


@call("GET", "mlflow/artifacts/list")
def list_artifacts(app: App, _who: str, asked: Files) -> Answer:
    """What lies in a folder of a run, each path from the run on."""
    folder = asked.path.strip("/")
    where = place(f"runs/{asked.run_id}/artifacts/{folder}")
    with app.store.read() as reader:
        files = files_at(app, reader, where)
    return {
        "root_uri": run_uri(asked.run_id),
        "files": lines(files, where.path, prefix=f"{folder}/" if folder else ""),
    }


def _found(
    reader: Reader, question: Question, clauses: tuple[Clause, ...], orders: tuple[Order, ...]
) -> list[dict[str, Any]]:
    """The rows that are asked for: by index where the order has one, else all of them, put in order here."""
    keep = _keeping(clauses) if clauses else None
    first, *more = orders or (NEWEST,)
    if not more and first.kind == "metric":
        return search(reader, replace(question, by=first.key, least=not first.descending, rest=True), keep)
    if not more and first == NEWEST:
        return search(reader, question, keep)
    rows = search(reader, replace(question, skip=0, limit=0), keep)
    ordered = in_order(see(reader, rows), orders, lambda seen: seen.fact)
    return [dict(seen.row) for seen in ordered[question.skip : question.skip + question.limit]]


def _keeping(clauses: tuple[Clause, ...]) -> Keep:
    def keep(reader: Reader, ids: tuple[str, ...]) -> list[str]:
        found = {row[0]: dict(zip(FIELDS, row, strict=True)) for row in reader.pick(Run, FIELDS, id=ids)}
        seen = see(reader, [found[run] for run in ids])
        return [each.row["id"] for each in seen if all(holds(clause, each.fact) for clause in clauses)]

    return keep


def row_of(reader: Reader, run: str) -> dict[str, Any]:
    """A run without its graph. Raises NotFound."""
    found = reader.pick(Run, FIELDS, id=run)
    if not found:
        reader.get(Run, run)
    return dict(zip(FIELDS, found[0], strict=True))


def _made_by(reader: Reader, runs: list[str]) -> dict[str, list[LoggedModel]]:
    found: dict[str, list[LoggedModel]] = {}
    for model in reader.find(LoggedModel, run=tuple(runs), deleted=None):
        found.setdefault(model.run, []).append(model)
    return found


def _log_metrics(
    app: App,
    run: str,
    metrics: Iterable[MetricPoint],
    params: dict[str, str] | None = None,
    tags: dict[str, str] | None = None,
) -> None:
    """Log to a run, and what was measured of logged models also to these."""
    told = list(metrics)
    points = [Point(each.key, each.value, moment(each.timestamp), each.step) for each in told]
    app.logbook.log(run, metrics=points, params=params, tags=tags)
    of_models = [(each.model_id, _measurement(run, each)) for each in told if _is_of_model(each)]
    if of_models:
        app.logged.measure(of_models)


def _is_of_model(each: MetricPoint) -> bool:
    return bool(each.model_id) and math.isfinite(each.value)


def _measurement(run: str, each: MetricPoint) -> Measurement:
    return Measurement(
        name=each.key,
        value=each.value,
        time=moment(each.timestamp),
        index=each.step,
        run=run,
        data=each.dataset_name,
        digest=each.dataset_digest,
    )


def _status(status: str | int) -> RunStatus:
    name = _NUMBERS[status - 1] if isinstance(status, int) and 0 < status <= len(_NUMBERS) else status
    if name not in _STATUS:
        raise InvalidValue(expected=f"one of {', '.join(_STATUS)}", found=repr(status))
    return _STATUS[str(name)]
