"""MLflow's calls on the model registry. Stages, and the alias `champion`, show what is placed where."""

from __future__ import annotations

from typing import Any, NoReturn

import msgspec

from penstock.app import App
from penstock.core.errors import InvalidValue, NotAllowed, NotFound
from penstock.lineage.attachments import within
from penstock.lineage.ports import Reader
from penstock.models import uploads
from penstock.models.logged import present as logged_present
from penstock.models.types import Model, Version
from penstock.models.uploads import present, shown
from penstock.web.mlflow.artifacts import SCHEME, Place, files_at, place, version_uri
from penstock.web.mlflow.asked import Page, Pair, by_key, following
from penstock.web.mlflow.entries import STAGES, Entries
from penstock.web.mlflow.filters import holds, in_order, parse_filter, parse_order
from penstock.web.mlflow.forms import NOTE, see
from penstock.web.mlflow.runs import row_of
from penstock.web.mlflow.table import Answer, Calls

CALLS = Calls()
call = CALLS.call
USUAL, MOST = 100, 10_000
TAKEN = "RESOURCE_ALREADY_EXISTS"


class OfModel(msgspec.Struct, frozen=True):
    """A model."""

    name: str


class OfVersion(OfModel, frozen=True, kw_only=True):
    """A version, whose number travels as text."""

    version: int = 0

    @property
    def number(self) -> int:
        """Its number. Raises InvalidValue."""
        if self.version < 1:
            raise InvalidValue(expected="a version such as 3", found=str(self.version))
        return self.version


class CreateModel(OfModel, frozen=True):
    """A new model."""

    tags: tuple[Pair, ...] = ()
    description: str = ""


class Rename(OfModel, frozen=True):
    """Another name."""

    new_name: str = ""


class Describe(OfVersion, frozen=True):
    """A description."""

    description: str = ""


class CreateVersion(OfModel, frozen=True, kw_only=True):
    """A new version, made of files that were logged."""

    source: str
    run_id: str = ""
    model_id: str = ""
    tags: tuple[Pair, ...] = ()
    description: str = ""


class TagOf(OfVersion, frozen=True, kw_only=True):
    """A tag."""

    key: str
    value: str = ""


class AliasOf(OfVersion, frozen=True, kw_only=True):
    """An alias."""

    alias: str


class Stages(OfModel, frozen=True):
    """The stages of which the newest versions are asked for; all, if none is named."""

    stages: tuple[str, ...] = ()


class ToStage(OfVersion, frozen=True):
    """A stage for a version."""

    stage: str = ""


class Search(Page, frozen=True):
    """What satisfies a filter, in an order."""

    filter: str = ""
    order_by: tuple[str, ...] = ()


@call("POST", "mlflow/registered-models/create", taken=TAKEN)
def create_model(app: App, who: str, asked: CreateModel) -> Answer:
    """Add a model."""
    app.uploads.create(asked.name, tags=_noted(asked.tags, asked.description), actor=app.actor(who))
    return get_model(app, who, asked)


@call("GET", "mlflow/registered-models/get")
def get_model(app: App, _who: str, asked: OfModel) -> Answer:
    """A model."""
    with app.store.read() as reader:
        return {"registered_model": Entries(app, reader).model(shown(reader, asked.name))}


@call("PATCH", "mlflow/registered-models/update")
def update_model(app: App, who: str, asked: Describe) -> Answer:
    """Describe a model."""
    app.uploads.tag(asked.name, None, {NOTE: asked.description})
    return get_model(app, who, asked)


@call("POST", "mlflow/registered-models/rename")
def rename_model(_app: App, _who: str, asked: Rename) -> NoReturn:
    """A model keeps its name."""
    raise NotAllowed(
        what=f"The model {asked.name} keeps its name: its versions, their history and its URL go by it.",
        fix=f"Register the model {asked.new_name or 'of the new name'} and its versions anew.",
    )


@call("DELETE", "mlflow/registered-models/delete")
def delete_model(app: App, who: str, asked: OfModel) -> Answer:
    """Withdraw a model with all its versions."""
    app.uploads.withdraw(asked.name, actor=app.actor(who))
    return {}


@call("GET", "mlflow/registered-models/search")
def search_models(app: App, _who: str, asked: Search) -> Answer:
    """Models by name, or in an order."""
    skip, limit = asked.span(USUAL, MOST)
    clauses, orders = parse_filter(asked.filter), parse_order(asked.order_by)
    with app.store.read() as reader:
        entries = Entries(app, reader)
        found = [
            model
            for model in reader.find(Model, withdrawn=None, order="id")
            if all(holds(clause, entries.facts(model.id)) for clause in clauses)
        ]
        found = in_order(found, orders, lambda model: entries.facts(model.id))
        forms = [entries.model(model) for model in found[skip : skip + limit]]
    return {"registered_models": forms, **following(skip, limit, len(found) - skip)}


@call("POST", "mlflow/registered-models/get-latest-versions")
@call("GET", "mlflow/registered-models/get-latest-versions")
def latest_versions(app: App, _who: str, asked: Stages) -> Answer:
    """The newest version in each stage."""
    wanted = {stage.lower() for stage in asked.stages or STAGES.values()}
    latest: dict[str, Version] = {}
    with app.store.read() as reader:
        shown(reader, asked.name)
        entries = Entries(app, reader)
        for version in reader.find(Version, model=asked.name, withdrawn=None, order="-number"):
            latest.setdefault(entries.stage(version), version)
        return {"model_versions": [entries.version(v) for s, v in latest.items() if s.lower() in wanted]}


@call("POST", "mlflow/registered-models/set-tag")
def set_model_tag(app: App, _who: str, asked: TagOf) -> Answer:
    """Attach a text to a model."""
    app.uploads.tag(asked.name, None, {asked.key: asked.value})
    return {}


@call("DELETE", "mlflow/registered-models/delete-tag")
def delete_model_tag(app: App, _who: str, asked: TagOf) -> Answer:
    """Remove a tag of a model."""
    app.uploads.untag(asked.name, None, asked.key)
    return {}


@call("POST", "mlflow/registered-models/alias")
def set_alias(app: App, who: str, asked: AliasOf) -> Answer:
    """Give a version an alias."""
    app.uploads.alias(asked.name, asked.alias, asked.number, actor=app.actor(who))
    return {}


@call("DELETE", "mlflow/registered-models/alias")
def delete_alias(app: App, who: str, asked: AliasOf) -> Answer:
    """Take an alias away."""
    app.uploads.alias(asked.name, asked.alias, None, actor=app.actor(who))
    return {}


@call("GET", "mlflow/registered-models/alias")
def get_by_alias(app: App, _who: str, asked: AliasOf) -> Answer:
    """The version with an alias."""
    with app.store.read() as reader:
        model = shown(reader, asked.name)
        number = uploads.aliases(reader, asked.name, app.last_environment(model.project)).get(asked.alias)
        if number is None:
            raise NotFound(what=f"No version of {asked.name} has the alias {asked.alias}.")
        return {"model_version": Entries(app, reader).version(present(reader, asked.name, number))}


@call("POST", "mlflow/model-versions/create")
def create_version(app: App, who: str, asked: CreateVersion) -> Answer:
    """Register files that were logged as the next version of a model."""
    with app.store.read() as reader:
        shown(reader, asked.name)
        source, where = _source(app, reader, asked)
        files = within(files_at(app, reader, where), where.path)
        model = where.key if where.kind == "logged" else ""
        logged = logged_present(reader, model) if model else None
        run = asked.run_id or (logged.run if logged else "")
        measured = see(reader, [row_of(reader, run)]) if run else []
    version = app.uploads.register(
        asked.name,
        files,
        source=source,
        run=run,
        logged=asked.model_id or model,
        metrics={name: m.value for name, m in measured[0].metrics.items()} if measured else {},
        params=logged.params if logged else {},
        tags=_noted(asked.tags, asked.description),
        actor=app.actor(who),
    )
    return _version(app, version.model, version.number)


@call("GET", "mlflow/model-versions/get")
def get_version(app: App, _who: str, asked: OfVersion) -> Answer:
    """A version."""
    return _version(app, asked.name, asked.number)


@call("PATCH", "mlflow/model-versions/update")
def update_version(app: App, _who: str, asked: Describe) -> Answer:
    """Describe a version."""
    app.uploads.tag(asked.name, asked.number, {NOTE: asked.description})
    return _version(app, asked.name, asked.number)


@call("DELETE", "mlflow/model-versions/delete")
def delete_version(app: App, who: str, asked: OfVersion) -> Answer:
    """Withdraw a version."""
    app.uploads.withdraw(asked.name, asked.number, actor=app.actor(who))
    return {}


@call("GET", "mlflow/model-versions/search")
def search_versions(app: App, _who: str, asked: Search) -> Answer:
    """Versions, the newest first or in an order."""
    skip, limit = asked.span(USUAL, MOST)
    clauses, orders = parse_filter(asked.filter), parse_order(asked.order_by)
    named = [c.value for c in clauses if (c.kind, c.key, c.operator) == ("attribute", "name", "=")]
    where: dict[str, Any] = {"model": str(named[0])} if named else {}
    with app.store.read() as reader:
        entries = Entries(app, reader)
        found = [
            version
            for version in reader.find(Version, withdrawn=None, order="-added", **where)
            if all(holds(clause, entries.facts(version.model, version)) for clause in clauses)
        ]
        found = in_order(found, orders, lambda version: entries.facts(version.model, version))
        forms = [entries.version(version) for version in found[skip : skip + limit]]
    return {"model_versions": forms, **following(skip, limit, len(found) - skip)}


@call("GET", "mlflow/model-versions/get-download-uri")
def download_uri(app: App, _who: str, asked: OfVersion) -> Answer:
    """Where the files of a version are."""
    with app.store.read() as reader:
        app.uploads.files(present(reader, asked.name, asked.number))
    return {"artifact_uri": version_uri(asked.name, asked.number)}


@call("POST", "mlflow/model-versions/transition-stage")
def transition_stage(_app: App, _who: str, asked: ToStage) -> NoReturn:
    """A stage follows from what is placed where."""
    raise NotAllowed(
        what="A stage follows from where a version is placed, and cannot be set.",
        fix=f"penstock promote {asked.name}@{asked.version} --to ENVIRONMENT takes it through its gate.",
    )


@call("POST", "mlflow/model-versions/set-tag")
def set_version_tag(app: App, _who: str, asked: TagOf) -> Answer:
    """Attach a text to a version."""
    app.uploads.tag(asked.name, asked.number, {asked.key: asked.value})
    return {}


@call("DELETE", "mlflow/model-versions/delete-tag")
def delete_version_tag(app: App, _who: str, asked: TagOf) -> Answer:
    """Remove a tag of a version."""
    app.uploads.untag(asked.name, asked.number, asked.key)
    return {}


def _version(app: App, name: str, number: int) -> Answer:
    with app.store.read() as reader:
        return {"model_version": Entries(app, reader).version(present(reader, name, number))}


def _noted(tags: tuple[Pair, ...], description: str) -> dict[str, str]:
    return by_key(tags) | ({NOTE: description} if description else {})


def _source(app: App, reader: Reader, asked: CreateVersion) -> tuple[str, Place]:
    """Where a version's files are, and how that is written. Raises InvalidValue for what is not kept here."""
    source = asked.source
    if source.startswith(SCHEME):
        return source, place(source.removeprefix(SCHEME).lstrip("/"))
    if source.startswith("models:/"):
        name, _, suffix = source.removeprefix("models:/").partition("/")
        if not suffix and "@" not in name:
            return source, Place("logged", name)
        name, _, alias = name.partition("@")
        model = shown(reader, name)
        known = uploads.aliases(reader, name, app.last_environment(model.project)) if alias else {}
        number = known.get(alias) if alias else int(suffix) if suffix.isdecimal() else None
        if number is None:
            raise NotFound(what=f"There is no version {source}")
        return source, Place("versions", f"{name}@{number}")
    if source.startswith("runs:/"):
        run, _, path = source.removeprefix("runs:/").partition("/")
        return source, place(f"runs/{run}/artifacts/{path}")
    raise InvalidValue(
        what="A version is made of files that are kept here",
        expected="models:/m-…, runs:/RUN/PATH or the address of a logged file",
        found=repr(source[:80]),
        fix="Log the model first; no other place is read.",
    )
