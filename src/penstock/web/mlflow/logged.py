"""MLflow's calls on logged models."""

from __future__ import annotations

from typing import Any

import msgspec

from penstock.app import App
from penstock.core.errors import InvalidValue
from penstock.lineage.attachments import attached
from penstock.lineage.ports import Reader
from penstock.lineage.tags import tags_of
from penstock.models.logged import LoggedModel, Status, present, subject
from penstock.web.mlflow.artifacts import lines, logged_uri
from penstock.web.mlflow.asked import Page, Pair, by_key, following
from penstock.web.mlflow.filters import Facts, Kind, Order, holds, in_order, parse_filter
from penstock.web.mlflow.forms import logged_form, millis
from penstock.web.mlflow.table import Answer, Calls

CALLS = Calls()
call = CALLS.call
USUAL, MOST = 100, 1000
_STATUS: dict[str | int, Status] = {
    "LOGGED_MODEL_PENDING": "pending", 1: "pending",
    "LOGGED_MODEL_READY": "ready", 2: "ready",
    "LOGGED_MODEL_UPLOAD_FAILED": "failed", 3: "failed",
}  # fmt: skip


class Create(msgspec.Struct, frozen=True):
    """A new logged model."""

    experiment_id: str
    name: str = ""
    model_type: str = ""
    source_run_id: str = ""
    params: tuple[Pair, ...] = ()
    tags: tuple[Pair, ...] = ()


class OfModel(msgspec.Struct, frozen=True):
    """A logged model."""

    model_id: str


class Finish(OfModel, frozen=True, kw_only=True):
    """How a logged model came out."""

    status: str | int


class Pairs(OfModel, frozen=True):
    """Parameters or tags of a logged model."""

    params: tuple[Pair, ...] = ()
    tags: tuple[Pair, ...] = ()


class TagKey(OfModel, frozen=True, kw_only=True):
    """A tag of a logged model."""

    tag_key: str


class Folder(OfModel, frozen=True):
    """A folder of a logged model."""

    artifact_directory_path: str = ""


class By(msgspec.Struct, frozen=True):
    """A key to order by, such as `metrics.rmse`, perhaps as measured on some data."""

    field_name: str
    ascending: bool = True
    dataset_name: str = ""
    dataset_digest: str = ""


class On(msgspec.Struct, frozen=True):
    """The data that metrics of a filter were measured on."""

    dataset_name: str = ""
    dataset_digest: str = ""


class Search(Page, frozen=True):
    """Logged models of some experiments that satisfy a filter, in an order."""

    experiment_ids: tuple[str, ...] = ()
    filter: str = ""
    datasets: tuple[On, ...] = ()
    order_by: tuple[By, ...] = ()


@call("POST", "mlflow/logged-models")
def create(app: App, who: str, asked: Create) -> Answer:
    """Begin a logged model."""
    model = app.logged.begin(
        asked.experiment_id,
        run=asked.source_run_id,
        name=asked.name,
        kind=asked.model_type,
        params=by_key(asked.params),
        tags=by_key(asked.tags),
        actor=app.actor(who),
    )
    return {"model": logged_form(model, by_key(asked.tags))}


@call("GET", "mlflow/logged-models/{model_id}")
def get(app: App, _who: str, asked: OfModel) -> Answer:
    """A logged model."""
    with app.store.read() as reader:
        return {"model": _form(reader, present(reader, asked.model_id))}


@call("PATCH", "mlflow/logged-models/{model_id}")
def finish(app: App, _who: str, asked: Finish) -> Answer:
    """Tell that all files are there, or never will be."""
    if asked.status not in _STATUS:
        raise InvalidValue(expected="a status of a logged model", found=repr(asked.status))
    return _changed(app, asked.model_id, status=_STATUS[asked.status])


@call("DELETE", "mlflow/logged-models/{model_id}")
def delete(app: App, _who: str, asked: OfModel) -> Answer:
    """Let a logged model be seen no more."""
    app.logged.delete(asked.model_id)
    return {}


@call("PATCH", "mlflow/logged-models/{model_id}/tags")
def set_tags(app: App, _who: str, asked: Pairs) -> Answer:
    """Attach texts."""
    app.logged.tag(asked.model_id, by_key(asked.tags))
    with app.store.read() as reader:
        return {"model": _form(reader, present(reader, asked.model_id))}


@call("DELETE", "mlflow/logged-models/{model_id}/tags/{tag_key}")
def delete_tag(app: App, _who: str, asked: TagKey) -> Answer:
    """Remove a tag."""
    app.logged.untag(asked.model_id, asked.tag_key)
    return {}


@call("POST", "mlflow/logged-models/{model_id}/params")
def log_params(app: App, _who: str, asked: Pairs) -> Answer:
    """Add parameters."""
    return _changed(app, asked.model_id, params=by_key(asked.params))


@call("GET", "mlflow/logged-models/{model_id}/artifacts/directories")
def list_artifacts(app: App, _who: str, asked: Folder) -> Answer:
    """What lies in a folder of a logged model, each path from the model on."""
    folder = asked.artifact_directory_path.strip("/")
    with app.store.read() as reader:
        present(reader, asked.model_id)
        files = attached(reader, subject(asked.model_id))
    found = lines(files, folder, prefix=f"{folder}/" if folder else "")
    return {"root_uri": logged_uri(asked.model_id), "files": found}


@call("POST", "mlflow/logged-models/search")
def search(app: App, _who: str, asked: Search) -> Answer:
    """Logged models, the newest first or in an order."""
    skip, limit = asked.span(USUAL, MOST)
    clauses = parse_filter(asked.filter)
    with app.store.read() as reader:
        found = reader.find(LoggedModel, experiment=asked.experiment_ids, deleted=None, order="-created")
        tags = tags_of(reader, (subject(model.id) for model in found))
    on = {(each.dataset_name, each.dataset_digest) for each in asked.datasets}
    kept = [
        model
        for model in found
        if all(holds(clause, _facts(model, tags[subject(model.id)], on)) for clause in clauses)
    ]
    for by in reversed(asked.order_by):
        kind, _, key = by.field_name.rpartition(".")
        order = Order(_kind(kind), key, descending=not by.ascending)
        measured = {(by.dataset_name, by.dataset_digest)} if by.dataset_name else set()
        kept = in_order(kept, [order], lambda each: _facts(each, tags[subject(each.id)], measured))  # noqa: B023 used at once
    page = kept[skip : skip + limit]
    forms = [logged_form(model, tags[subject(model.id)]) for model in page]
    return {"models": forms, **following(skip, limit, len(kept) - skip)}


def _changed(app: App, model: str, **changes: Any) -> Answer:
    changed = app.logged.change(model, **changes)
    with app.store.read() as reader:
        return {"model": _form(reader, changed)}


def _form(reader: Reader, model: LoggedModel) -> Answer:
    name = subject(model.id)
    return logged_form(model, tags_of(reader, [name])[name])


def _kind(word: str) -> Kind:
    kinds: dict[str, Kind] = {"metrics": "metric", "params": "param", "tags": "tag"}
    return kinds.get(word, "attribute")


def _facts(model: LoggedModel, tags: dict[str, str], on: set[tuple[str, str]]) -> Facts:
    """What filters ask for; metrics as measured on the data `on`, on any where that is empty."""

    def fact(kind: Kind, key: str) -> object:
        if kind == "metric":
            values = [m for m in model.metrics if m.name == key and (not on or (m.data, m.digest) in on)]
            return max(values, key=lambda m: (m.index, m.time)).value if values else None
        if kind in {"param", "tag"}:
            return (model.params if kind == "param" else tags).get(key)
        info = logged_form(model, {})["info"]
        told = {**info, "creation_timestamp": millis(model.created), "creation_time": millis(model.created)}
        return told.get({"last_updated_timestamp": "last_updated_timestamp_ms"}.get(key, key))

    return fact
