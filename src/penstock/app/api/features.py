"""Feature views where they are deployed, their online values, and bringing these up to date."""

from __future__ import annotations

from typing import Any

import msgspec

from penstock.app.api.lists import LIMIT, brief, listed
from penstock.app.api.routes import Routes
from penstock.app.wiring import App
from penstock.core.errors import InvalidValue, NotFound
from penstock.features.named import named_view
from penstock.features.types import Placed
from penstock.monitoring.types import Skew
from penstock.revisions.types import Project

ROUTES = Routes()
route = ROUTES.route


@route("GET", "/features")
def features(app: App, project: str = "", environment: str = "", search: str = "") -> Any:
    """The feature views of environments in each version needed, or those that a text is in, and how fresh."""
    found = [_told(app, placed) for placed in app.features.placed(project, environment)]
    if not found:
        _require_known(app, project, environment)
    return {"items": [each for each in found if search.lower() in _text(each)]}


@route("GET", "/features/{view}")
def view(app: App, view: str, environment: str = "", project: str = "") -> Any:
    """A feature view in an environment."""
    return _told(app, found_view(app, project, environment, view))


@route("GET", "/features/{view}/values")
def values(app: App, view: str, entity: str, environment: str = "", project: str = "") -> Any:
    """The online values of an entity, written as `origin=JFK,carrier=UA`."""
    pairs = [pair.partition("=") for pair in entity.split(",")]
    if not all(equals for _, equals, _ in pairs):
        raise InvalidValue(expected="an entity written as name=value, with commas between", found=entity)
    placed = found_view(app, project, environment, view)
    return app.features.values(placed, {name: value for name, _, value in pairs})


@route("POST", "/features/materialize")
def materialize(
    app: App,
    environment: str,
    *,
    view: str = "",
    full: bool | None = None,
    project: str = "",
    actor: str = "",
) -> Any:
    """Bring the online values of a view, or of all, up to date."""
    name, place = app.place(app.project(project), environment)
    asked = app.features.materialize(
        name, place, [view] if view else [], full=bool(full), actor=app.actor(actor)
    )
    return app.poked({"items": asked})


@route("GET", "/skews")
def skews(app: App, model: str = "", environment: str = "", view: str = "", limit: int = LIMIT) -> Any:
    """How far what answers read online is from what training reads, by day and view, the newest first."""
    found = listed(app, Skew, "-start", limit, model=model, environment=environment, view=view)["items"]
    if not found:
        _require_known(app, "", environment)
        if view:
            found_view(app, "", environment, view)
    return {"items": [brief(skew, "columns") for skew in found]}


@route("GET", "/skews/{id}")
def skew(app: App, id: str) -> Any:  # noqa: A002 the word in the address
    """The same of one day and view, feature by feature, with examples of values that differ."""
    with app.store.read() as reader:
        found = reader.get(Skew, id)
    columns = [brief(each, "examples") for each in found.columns]
    examples = [
        {"column": each.column} | msgspec.structs.asdict(example)
        for each in found.columns
        for example in each.examples
    ]
    return {**brief(found), "columns": columns, "examples": examples}


def found_view(app: App, project: str, environment: str, name: str) -> Placed:
    """The view that is meant (see `named_view`). Raises NotFound."""
    return named_view(name, app.features.placed(project, environment), environment)


def _require_known(app: App, project: str, environment: str) -> None:
    """Raises NotFound for a project that there is not, and an environment that none has."""
    with app.store.read() as reader:
        projects = [reader.get(Project, project)] if project else reader.find(Project)
    unknown = None
    for each in projects if environment else ():
        try:
            app.place(each.id, environment)
        except NotFound as error:
            unknown = error
        else:
            return
    if unknown:
        raise unknown


def _told(app: App, placed: Placed) -> dict[str, Any]:
    state = app.features.standing(placed)
    view = msgspec.to_builtins(placed.view)
    view["keys"] = view.pop("entity")
    lag = (app.clock.now() - state.as_of).total_seconds() if state.as_of else None
    first: dict[str, Any] = {
        "view": state.view,
        "environment": state.environment,
        "version": state.version,
        "deployed": placed.deployed,
        "readers": placed.readers,
        "as_of": state.as_of,
        "lag": lag,
    }
    told: dict[str, Any] = first | view | msgspec.structs.asdict(state) | {"source": view["source"]["name"]}
    return told


def _text(told: dict[str, Any]) -> str:
    names = (*told["keys"], *(column.name for column in told["features"]), *(["pii"] if told["pii"] else []))
    return " ".join((told["view"], told["owner"], told["description"], *told["tags"], *names)).lower()
