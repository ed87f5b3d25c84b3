"""The registry: what there is of models and their versions, and what people say of them."""

from __future__ import annotations

from typing import Any

import msgspec

from penstock.app.api.lists import LIMIT, brief, listed
from penstock.app.api.moments import moment
from penstock.app.api.routes import Routes
from penstock.app.wiring import App
from penstock.checks import Check, parse
from penstock.core.durations import duration
from penstock.core.errors import InvalidValue
from penstock.deployments.types import GateReport, SignOff, Waiver
from penstock.lineage.ports import Reader
from penstock.models.cards import card_of
from penstock.models.comparison import compare
from penstock.models.decide import champion_at
from penstock.models.search import NEWEST, Found, Question, search, tag_question
from penstock.models.types import Model, Placement, Protection, RoleChange, Version
from penstock.monitoring.types import Window
from penstock.serving.answers import Examples

ROUTES = Routes()
route = ROUTES.route


@route("GET", "/models")
def models(app: App, project: str = "", limit: int = LIMIT) -> Any:
    """Models with their newest version and champions."""
    items = []
    for model in listed(app, Model, "", limit, project=project, withdrawn=None)["items"]:
        with app.store.read() as reader:
            versions = reader.find(Version, model=model.id, order="-number", limit=1)
            champions = reader.find(Placement, model=model.id, role="champion")
        items.append(
            {
                **msgspec.structs.asdict(model),
                "versions": versions[0].number if versions else 0,
                "metrics": versions[0].metrics if versions else {},
                "champions": {p.environment: p.number for p in champions},
            }
        )
    return {"items": items}


@route("GET", "/models/{ref}")
def model(app: App, ref: str) -> Any:
    """A model (`delay`), a version (`delay@3`) or a champion (`delay@production`), with what it has done.

    `runtime` counts what it answered as champion, by the log of predictions; `service` is how
    the prediction service was asked for it, null where it never was.
    """
    entry = app.models.show(ref)
    version = entry.version
    with app.store.read() as reader:
        protections = reader.find(Protection, id=version.id, ended=None)
        tags = _found(app, reader, [version])[0].tags
        sign_offs = reader.find(SignOff, model=version.model, number=version.number)
        waivers = reader.find(Waiver, model=version.model, number=version.number)
    return {
        **msgspec.structs.asdict(entry),
        "tags": tags,
        "protected": protections[0].why if protections else "",
        "sign_offs": sign_offs,
        "waivers": waivers,
        "runtime": app.monitoring.service(entry.model.id, version.number),
        "service": app.asked(entry.model.id, version.number),
    }


@route("GET", "/versions")
def versions(
    app: App,
    *,
    model: str = "",
    project: str = "",
    text: str = "",
    tags: str = "",
    where: str = "",
    stage: str = "",
    order: str = NEWEST,
    minimize: bool | None = None,
    limit: int = LIMIT,
) -> Any:
    """Model versions, the newest first, with the stage that each has reached, its roles and its tags.

    `text` is looked for in names, tags, metadata and intended use; `tags` and `where` are tags (`team=shop`)
    and bounds of metrics (`roc_auc >= 0.7`) with commas between, and `order` is a metric: the best come
    first, or with `minimize` the least.
    """
    question = Question(
        model=model,
        project=project,
        text=text,
        tags=tag_question(tuple(each.strip() for each in tags.split(",") if each.strip())),
        bounds=tuple(_bound(each) for each in where.split(",") if each.strip()),
        stage=stage,
        order=order,
        least=minimize,
        limit=limit,
    )
    with app.store.read() as reader:
        found = search(reader, question, app.last_environment)
    return {"items": [_told(each) for each in found]}


@route("GET", "/models/{ref}/compare")
def compared(app: App, ref: str) -> Any:
    """Versions side by side, named with commas between: `delay@1,delay@2`."""
    names = [name for name in ref.split(",") if name]
    if len(names) < 2:
        raise InvalidValue(expected="at least two versions, such as delay@1,delay@2", found=ref)
    chosen = [app.models.show(name).version for name in names]
    with app.store.read() as reader:
        return compare(_found(app, reader, chosen), [slices_of(reader, version) for version in chosen])


@route("GET", "/models/{ref}/history")
def history(app: App, ref: str) -> Any:
    """Which version had which role when: the append-only history of a model."""
    return listed(app, RoleChange, "", 0, model=app.models.show(ref).model.id)


@route("GET", "/models/{ref}/home")
def home(app: App, ref: str) -> Any:
    """The environment whose champion answers at the model's URL."""
    name = app.models.show(ref).model.id
    return {"model": name, "environment": app.rollouts.home_of(name)}


@route("GET", "/models/{ref}/champions")
def champions(app: App, ref: str, at: str = "") -> Any:
    """Which version was champion in each environment at a moment, by default now."""
    time = moment(at) or app.clock.now()
    changes = app.models.history(app.models.show(ref).model.id)
    items = []
    for environment in dict.fromkeys(change.environment for change in changes):
        if number := champion_at(changes, environment, time):
            since = [
                change
                for change in changes
                if (change.environment, change.number, change.role) == (environment, number, "champion")
                and change.time <= time
            ][-1]
            items.append({**msgspec.structs.asdict(since), "at": time})
    return {"items": items}


@route("GET", "/models/{ref}/examples")
def examples(app: App, ref: str) -> Any:
    """The recorded requests of a version, with the answers that the model gave where it was trained.

    Columns that tell of people are left out.
    """
    version = app.models.show(ref).version
    if not version.examples:
        return {"items": []}
    kept = msgspec.json.decode(app.blobs.get(version.examples), type=Examples)
    personal = version.origins.personal
    return {
        "items": [
            {
                "inputs": {name: values[row] for name, values in kept.inputs.items() if name not in personal},
                "score": s,
                "label": label,
            }
            for row, (s, label) in enumerate(zip(kept.score, kept.label, strict=True))
        ]
    }


@route("GET", "/models/{ref}/card")
def card(app: App, ref: str) -> Any:
    """The model card of a version: what is on record of it, gathered."""
    told, entry = msgspec.to_builtins(model(app, ref)), app.models.show(ref)
    name, number = entry.model.id, entry.version.number
    with app.store.read() as reader:
        gates = reader.find(GateReport, model=name, number=number, order="-time")
        windows = reader.find(Window, model=name, version=number, variant="champion")
    return card_of(
        entry,
        **{name: told[name] for name in ("tags", "protected", "sign_offs", "waivers", "runtime", "service")},
        gates=msgspec.to_builtins(gates),
        windows=msgspec.to_builtins([brief(window, "profile") for window in windows]),
        examples=examples(app, ref)["items"],
        history=app.models.history(name),
    )


@route("POST", "/models/{ref}/tag")
def tag(
    app: App,
    ref: str,
    *,
    tags: dict[str, Any] | None = None,
    remove: list[str] | None = None,
    actor: str = "",
) -> Any:
    """Attach texts to a model (`delay`) or a version (`delay@3`), or remove some."""
    name, number = _ref(ref)
    texts = {key: str(value) for key, value in (tags or {}).items()}
    app.keeping.tag(name, number, texts, tuple(remove or ()), actor=app.actor(actor))
    return {"tags": model(app, ref)["tags"]}


@route("POST", "/models/{ref}/archive")
def archive(app: App, ref: str, why: str = "", actor: str = "") -> Any:
    """Put a version away: it waits for no gate, is not loaded, and cannot be promoted."""
    placed = app.keeping.archive(*_version(ref), why=why, actor=app.actor(actor))
    return app.poked({"items": placed})


@route("POST", "/models/{ref}/restore")
def restore(app: App, ref: str, actor: str = "") -> Any:
    """Give an archived version its roles back."""
    return app.poked({"items": app.keeping.restore(*_version(ref), actor=app.actor(actor))})


@route("POST", "/models/{ref}/protect")
def protect(app: App, ref: str, why: str, actor: str = "") -> Any:
    """Keep a version, and all that its run read and made, until that is ended."""
    return app.keeping.protect(*_version(ref), why=why, actor=app.actor(actor))


@route("POST", "/models/{ref}/sign")
def sign(app: App, ref: str, why: str, environment: str = "", actor: str = "") -> Any:
    """Say that a version may go live in an environment whose gate asks for people."""
    return app.signing.sign("@".join(map(str, _version(ref))), environment, why=why, actor=app.actor(actor))


@route("POST", "/models/{ref}/waive")
def waive(  # noqa: PLR0917 - the words of a waiver
    app: App, ref: str, check: str, span: str, why: str, environment: str = "", actor: str = ""
) -> Any:
    """Say that a check that a version failed is no obstacle for a while."""
    version = "@".join(map(str, _version(ref)))
    return app.signing.waive(
        version, environment, check, span=duration(span), why=why, actor=app.actor(actor)
    )


@route("POST", "/models/{ref}/unprotect")
def unprotect(app: App, ref: str, actor: str = "") -> Any:
    """End the protection of a version."""
    return app.keeping.unprotect(*_version(ref), actor=app.actor(actor))


def slices_of(reader: Reader, version: Version) -> dict[str, float]:
    """What the gate that judged a version last measured on parts of the holdout."""
    reports = reader.find(GateReport, model=version.model, number=version.number, order="-time", limit=1)
    parts = reports[0].quality.get("slices", ()) if reports else ()
    return {f"{part['slice']}: {name}": value for part in parts for name, value in part["metrics"].items()}


def _found(app: App, reader: Reader, chosen: list[Version]) -> list[Found]:
    found = {
        each.version.id: each
        for name in {version.model for version in chosen}
        for each in search(reader, Question(model=name), app.last_environment)
    }
    return [found[version.id] for version in chosen]


def _told(found: Found) -> dict[str, Any]:
    return {
        **msgspec.structs.asdict(found.version),
        "stage": found.stage,
        "roles": found.roles,
        "tags": found.tags,
    }


def _ref(ref: str) -> tuple[str, int | None]:
    name, at, number = ref.partition("@")
    if at and not number.isdecimal():
        raise InvalidValue(expected="a model such as delay or a version such as delay@3", found=ref)
    return name, int(number) if at else None


def _version(ref: str) -> tuple[str, int]:
    name, number = _ref(ref)
    if number is None:
        raise InvalidValue(expected="a version such as delay@3", found=ref)
    return name, number


def _bound(text: str) -> Check:
    check = parse(text)
    if check.right:
        raise InvalidValue(expected="a metric and a number, such as roc_auc >= 0.7", found=repr(text))
    return check
