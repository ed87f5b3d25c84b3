"""MLflow's calls on experiments."""

from __future__ import annotations

import msgspec

from penstock.app import App
from penstock.core.errors import InvalidValue, NotFound
from penstock.lineage.ports import Reader
from penstock.lineage.tags import drop_tag, set_tags, tags_of
from penstock.runs import experiments
from penstock.runs.experiments import Experiment
from penstock.runs.logbook import UsedData
from penstock.runs.types import Run
from penstock.web.mlflow.asked import OfExperiment, Page, Pair, by_key, following
from penstock.web.mlflow.filters import Facts, Kind, holds, in_order, parse_filter, parse_order
from penstock.web.mlflow.forms import MODEL, experiment_form, millis
from penstock.web.mlflow.table import Answer, Calls

CALLS = Calls()
call = CALLS.call
ALL = 1000
"""Experiments in an answer, unless more are asked for."""
MOST = 50_000
RUNS_LOOKED_AT = 1000


class Named(msgspec.Struct, frozen=True):
    """An experiment by name."""

    experiment_name: str


class Create(msgspec.Struct, frozen=True):
    """A new experiment."""

    name: str
    artifact_location: str = ""
    tags: tuple[Pair, ...] = ()


class Update(msgspec.Struct, frozen=True):
    """Another name for an experiment."""

    experiment_id: str
    new_name: str = ""


class TagOf(msgspec.Struct, frozen=True):
    """A tag of an experiment."""

    experiment_id: str
    key: str
    value: str = ""


class Search(Page, frozen=True):
    """Experiments that satisfy a filter, in an order."""

    filter: str = ""
    order_by: tuple[str, ...] = ()
    view_type: str | int = "ACTIVE_ONLY"


class Experiments(msgspec.Struct, frozen=True):
    """Some experiments."""

    experiment_ids: tuple[str, ...] = ()


@call("POST", "mlflow/experiments/create", taken="RESOURCE_ALREADY_EXISTS")
def create(app: App, who: str, asked: Create) -> Answer:
    """Begin an experiment."""
    refuse_location(asked.artifact_location)
    made = app.logbook.begin_experiment(asked.name, by_key(asked.tags), actor=app.actor(who))
    return {"experiment_id": made.id}


@call("GET", "mlflow/experiments/get")
def get(app: App, _who: str, asked: OfExperiment) -> Answer:
    """An experiment by its number."""
    with app.store.read() as reader:
        return {"experiment": _form(reader, experiments.get(reader, asked.experiment_id))}


@call("GET", "mlflow/experiments/get-by-name")
def get_by_name(app: App, _who: str, asked: Named) -> Answer:
    """An experiment by its name."""
    with app.store.read() as reader:
        found = experiments.find(reader, asked.experiment_name)
        if found is None:
            raise NotFound(what=f"There is no experiment {asked.experiment_name!r}")
        return {"experiment": _form(reader, found)}


@call("POST", "mlflow/experiments/search")
@call("GET", "mlflow/experiments/search")
def search(app: App, _who: str, asked: Search) -> Answer:
    """Experiments, the one that was begun last first."""
    skip, limit = asked.span(ALL, MOST)
    clauses, orders = parse_filter(asked.filter), parse_order(asked.order_by)
    wants_deleted = deleted_of(asked.view_type)
    with app.store.read() as reader:
        found = [e for e in experiments.everyone(reader) if wants_deleted in {None, e.deleted is not None}]
        tags = tags_of(reader, (subject(each.id) for each in found))
        kept = [e for e in found if all(holds(clause, _facts(e, tags[subject(e.id)])) for clause in clauses)]
        kept = in_order(kept, orders, lambda each: _facts(each, tags[subject(each.id)]))
    page = kept[skip : skip + limit]
    forms = [experiment_form(each, tags[subject(each.id)]) for each in page]
    return {"experiments": forms, **following(skip, limit, len(kept) - skip)}


@call("POST", "mlflow/experiments/update", taken="RESOURCE_ALREADY_EXISTS")
def update(app: App, who: str, asked: Update) -> Answer:
    """Give an experiment another name."""
    app.logbook.change_experiment(asked.experiment_id, name=asked.new_name, actor=app.actor(who))
    return {}


@call("POST", "mlflow/experiments/delete")
def delete(app: App, who: str, asked: OfExperiment) -> Answer:
    """Let an experiment be seen no more."""
    app.logbook.change_experiment(asked.experiment_id, deleted=True, actor=app.actor(who))
    return {}


@call("POST", "mlflow/experiments/restore")
def restore(app: App, who: str, asked: OfExperiment) -> Answer:
    """Let a deleted experiment be seen again."""
    app.logbook.change_experiment(asked.experiment_id, deleted=False, actor=app.actor(who))
    return {}


@call("POST", "mlflow/experiments/set-experiment-tag")
def set_tag(app: App, _who: str, asked: TagOf) -> Answer:
    """Attach a text to an experiment."""
    with app.store.begin() as tx:
        found = experiments.get(tx, asked.experiment_id)
        set_tags(tx, subject(found.id), {asked.key: asked.value})
    return {}


@call("POST", "mlflow/experiments/delete-experiment-tag")
def delete_tag(app: App, _who: str, asked: TagOf) -> Answer:
    """Remove a tag of an experiment."""
    with app.store.begin() as tx:
        drop_tag(tx, subject(experiments.get(tx, asked.experiment_id).id), asked.key)
    return {}


@call("POST", "mlflow/experiments/search-datasets")
def search_datasets(app: App, _who: str, asked: Experiments) -> Answer:
    """The data that the newest runs of some experiments used, each once."""
    found: dict[tuple[str, ...], Answer] = {}
    with app.store.read() as reader:
        for experiment in asked.experiment_ids:
            newest = reader.pick(
                Run, ("id",), experiment=experiment, deleted=None, order="-created", limit=RUNS_LOOKED_AT
            )
            for used in reader.find(UsedData, run=tuple(run for (run,) in newest)):
                context = used.tags.get("mlflow.data.context", "")
                told = {
                    "experiment_id": experiment,
                    "name": used.name,
                    "digest": used.digest,
                    "context": context,
                }
                if used.source_type != MODEL:
                    found[tuple(told.values())] = told
    return {"dataset_summaries": list(found.values())}


def subject(experiment: str) -> str:
    """What the tags of an experiment are attached to."""
    return f"experiment:{experiment}"


def refuse_location(location: str) -> None:
    """Raises InvalidValue when a client says where the server should keep something."""
    if location:
        raise InvalidValue(
            what="Where files are kept is not for a client to say",
            expected="no artifact_location",
            found=repr(location[:80]),
            fix="Leave it out: files are kept by their digest in the home.",
        )


def deleted_of(view_type: str | int) -> bool | None:
    """Whether deleted things are asked for, None for all. Raises InvalidValue."""
    views: dict[str | int, bool | None] = {
        "ACTIVE_ONLY": False, 1: False, "DELETED_ONLY": True, 2: True, "ALL": None, 3: None,
    }  # fmt: skip
    try:
        return views[view_type]
    except KeyError:
        raise InvalidValue(expected="ACTIVE_ONLY, DELETED_ONLY or ALL", found=repr(view_type)) from None


def _form(reader: Reader, found: Experiment) -> Answer:
    name = subject(found.id)
    return experiment_form(found, tags_of(reader, [name])[name])


def _facts(experiment: Experiment, tags: dict[str, str]) -> Facts:
    def fact(kind: Kind, key: str) -> object:
        if kind == "tag":
            return tags.get(key)
        return {
            "name": experiment.name,
            "experiment_id": experiment.id,
            "creation_time": millis(experiment.created),
            "last_update_time": millis(experiment.changed),
        }.get(key)

    return fact
