"""The calls of Feast's feature server, so that its clients read from here and write here unmodified."""

from __future__ import annotations

from typing import Any

from penstock.app.api.features import found_view
from penstock.app.api.routes import Routes
from penstock.app.wiring import App
from penstock.core.errors import InvalidValue
from penstock.features.computed import compute_values
from penstock.serving.feast import AskedFeatures, OfferedFeatures

ROUTES = Routes()
route = ROUTES.route
_EVENT, _CREATED = "event_timestamp", "created"
"""What clients of Feast call the event time, whatever the source does, and a time that is not asked for."""
_PUSHED_TO = ("offline", "online_and_offline")
_VIEWS_FOLLOW = "Rows go to the source, and into views from there; /write-to-online-store writes online only."


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

    `feature_service` is a model, or a version such as `delay@3`: what it reads, or its champion; of that the
    `features`, if both are said. Views are those of `environment`, else of the last one that they have
    reached. The prediction service answers the same, sooner.
    """
    asked = AskedFeatures(
        entities=entities,
        features=tuple(map(str, features or [])),
        feature_service=feature_service,
        full_feature_names=full_feature_names,
        environment=environment,
        project=project,
    )
    with app.store.read() as reader:
        plan = app.rollouts.desired_plan(reader)
    return OfferedFeatures(plan, app.online, compute_values).told(asked, app.clock.now())


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


def _listed(name: str, values: Any) -> list[Any]:
    if not isinstance(values, list):
        raise InvalidValue(expected=f"a list of values of {name}", found=type(values).__name__)
    return values
