"""Tests in production: what there is, starting and ending one."""

from __future__ import annotations

from typing import Any

import msgspec

from penstock.app.api.lists import LIMIT, listed
from penstock.app.api.moments import moment
from penstock.app.api.routes import Routes
from penstock.app.wiring import App
from penstock.core.durations import duration
from penstock.core.errors import InvalidValue
from penstock.deployments.production import Wish
from penstock.deployments.types import ProductionTest

ROUTES = Routes()
route = ROUTES.route


@route("GET", "/tests")
def production_tests(
    app: App, project: str = "", model: str = "", environment: str = "", limit: int = LIMIT
) -> Any:
    """Tests in production, the newest first."""
    return listed(
        app, ProductionTest, "-started", limit, project=project, model=model, environment=environment
    )


@route("GET", "/tests/{id}")
def production_test(app: App, id: str) -> Any:  # noqa: A002 - the field's name
    """A test in production with what it has shown so far."""
    shown = app.rollouts.tests.show(id)
    sides = (shown.contest.champion, shown.contest.challenger) if shown.contest else ()
    measured = [{**msgspec.structs.asdict(side), "scores": len(side.scores)} for side in sides]
    return {
        **msgspec.structs.asdict(shown.test),
        "difference": shown.difference,
        "measured": measured,
        "guards": shown.guards,
    }


@route("POST", "/tests/start")
def start(
    app: App,
    version: str,
    *,
    share: int = 0,
    metric: str = "",
    after: str = "",
    until: str = "",
    environment: str = "",
    actor: str = "",
) -> Any:
    """Try a version (`delay@3`) beside the champion: by its share of the keys, or as a shadow without one."""
    model, _, number = version.partition("@")
    if not number.isdecimal():
        raise InvalidValue(expected="a version such as delay@3", found=version)
    wish = Wish(
        model=model,
        number=int(number),
        environment=environment or app.rollouts.home_of(model),
        share=share,
        metric=metric,
        until=app.clock.now() + duration(after) if after else moment(until),
    )
    return app.poked(app.rollouts.tests.start(wish, app.actor(actor)))


@route("POST", "/tests/{id}/stop")
def stop(app: App, id: str, actor: str = "") -> Any:  # noqa: A002 - the field's name
    """End a test: the champion answers everything again."""
    return app.poked(app.rollouts.tests.stop(id, app.actor(actor)))
