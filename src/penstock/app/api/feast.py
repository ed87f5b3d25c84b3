"""The calls of Feast's feature server, so that its clients read from here and write here unmodified."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from penstock.app.api.features import found_view
from penstock.app.api.routes import Routes
from penstock.app.wiring import App
from penstock.core.errors import InvalidValue, NotFound
from penstock.features.reading import Wanted, read_online, view_online
from penstock.features.types import OnlineView

ROUTES = Routes()
route = ROUTES.route
_EVENT, _CREATED = "event_timestamp", "created"
"""What clients of Feast call the event time, whatever the source does, and a time that is not asked for."""
_PUSHED_TO = ("offline", "online_and_offline")
_VIEWS_FOLLOW = "Rows go to the source, and into views from there; /write-to-online-store writes online only."
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)
"""When what is not there happened, in the words of Feast."""


@route("POST", "/get-online-features")
def online_features(
    app: App,
    entities: dict[str, Any] | None = None,
    *,
    features: list[Any] | None = None,
    feature_service: str = "",
    full_feature_names: bool | None = None,
    include_feature_view_version_metadata: bool | None = None,  # noqa: ARG001 - what clients of Feast say
    environment: str = "",
    project: str = "",
) -> Any:
    """Values of features, written as `view:feature`, of entities column by column; as Feast answers.

    `feature_service` is a model: what its newest version was trained with. Views are those of `environment`,
    else of the last one that they have reached.
    """
    asked = _split(features or [])
    if feature_service:
        asked = [(view, "") for view in _trained_with(app, feature_service)]
    if not asked:
        raise InvalidValue(expected="features such as weather:wind, or a feature_service", found="none")
    views = {
        name: _standing(app, name, environment, project) for name in dict.fromkeys(view for view, _ in asked)
    }
    wanted = [
        Wanted(views[view], name)
        for view, feature in asked
        for name in ([feature] if feature else views[view].features)
    ]
    given = {name: _listed(name, values) for name, values in (entities or {}).items()}
    found = read_online(app.online, wanted, given, app.clock.now())
    names = [f"{w.view.name}__{w.feature}" if full_feature_names else w.feature for w in wanted]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InvalidValue(
            what="Several views have features of one name",
            found=", ".join(twice),
            fix="Ask with full_feature_names.",
        )
    results = [_entity(values) for values in given.values()]
    results += [_result(each.values, list(each.statuses), each.events) for each in found]
    return {"metadata": {"feature_names": [*given, *names]}, "results": results}


@route("POST", "/write-to-online-store")
def write_online(
    app: App,
    feature_view_name: str,
    *,
    df: dict[str, Any] | None = None,
    allow_registry_cache: bool | None = None,  # noqa: ARG001 - what clients of Feast say
    environment: str = "",
    project: str = "",
) -> Any:
    """Rows of a view, durable when answered; one that is older than what is there changes nothing."""
    placed = found_view(app, project, environment, feature_view_name)
    columns = {name: _listed(name, values) for name, values in (df or {}).items()}
    moment, known = placed.view.source.event_time, {c.name for c in app.features.standing(placed).features}
    if moment not in columns and _EVENT in columns:
        columns[moment] = columns.pop(_EVENT)
    columns = {name: values for name, values in columns.items() if name != _CREATED or name in known}
    return {"written": app.features.write(placed, columns)}


@route("POST", "/push")
def push(
    app: App,
    push_source_name: str,
    *,
    df: dict[str, Any] | None = None,
    to: str = "online_and_offline",
    allow_registry_cache: bool | None = None,  # noqa: ARG001 - what clients of Feast say
    transform_on_write: bool | None = None,  # noqa: ARG001 - what clients of Feast say
    environment: str = "",
    project: str = "",
) -> Any:
    """Rows of a source that is declared with `events`, durable when answered; views follow in time."""
    if to not in _PUSHED_TO:
        raise InvalidValue(expected=" or ".join(_PUSHED_TO), found=repr(to), fix=_VIEWS_FOLLOW)
    columns = {name: _listed(name, values) for name, values in (df or {}).items()}
    if len({len(values) for values in columns.values()}) > 1:
        raise InvalidValue(
            expected="columns of one length", found=str({name: len(v) for name, v in columns.items()})
        )
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return app.pushing.push(push_source_name, rows, project=project, environment=environment)


def _split(features: list[Any]) -> list[tuple[str, str]]:
    pairs = [str(name).partition(":") for name in features]
    odd = next((view for view, colon, feature in pairs if not (view and colon and feature)), None)
    if odd is not None:
        raise InvalidValue(expected="a feature written as view:feature", found=repr(odd))
    return [(view, feature) for view, _, feature in pairs]


def _standing(app: App, view: str, environment: str, project: str) -> OnlineView:
    placed = found_view(app, project, environment, view)
    state = app.features.standing(placed)
    if state.as_of is None:
        raise NotFound(
            what=f"{view} has no online values in {placed.environment} yet.",
            fix=f"penstock features materialize {view} --in {placed.environment}",
        )
    return view_online(placed, state)


def _trained_with(app: App, model: str) -> list[str]:
    views: dict[str, str] = app.models.show(model).version.training.get("features", {})
    if not views:
        raise InvalidValue(what=f"{model} was trained with no feature views.", fix="Ask by view:feature.")
    return list(views)


def _listed(name: str, values: Any) -> list[Any]:
    if not isinstance(values, list):
        raise InvalidValue(expected=f"a list of values of {name}", found=type(values).__name__)
    return values


def _entity(values: list[Any]) -> dict[str, Any]:
    return _result(values, ["PRESENT"] * len(values), [None] * len(values))


def _result(values: list[Any], statuses: list[Any], events: list[datetime | None]) -> dict[str, Any]:
    times = [f"{event or _NEVER:%Y-%m-%dT%H:%M:%S}Z" for event in events]
    return {"values": values, "statuses": statuses, "event_timestamps": times}
