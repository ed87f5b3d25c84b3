"""Rollouts: what there is, and what can be done with one."""

from __future__ import annotations

from typing import Any

import msgspec

from penstock.app.api.lists import LIMIT, listed
from penstock.app.api.routes import Routes
from penstock.app.wiring import App
from penstock.deployments.types import Rollout

ROUTES = Routes()
route = ROUTES.route


@route("GET", "/rollouts")
def rollouts(app: App, project: str = "", model: str = "", environment: str = "", limit: int = LIMIT) -> Any:
    """Rollouts, the newest first."""
    found = listed(app, Rollout, "-started", limit, project=project, model=model, environment=environment)[
        "items"
    ]
    return {"items": [{**msgspec.structs.asdict(each), "share": each.share} for each in found]}


@route("GET", "/rollouts/{id}")
def rollout(app: App, id: str) -> Any:  # noqa: A002 - the field's name
    """A rollout: who answers which share, what is measured of each, how the guards stand, and its history."""
    shown = app.rollouts.progress.show(id)
    told = msgspec.structs.asdict(shown)
    return {**msgspec.structs.asdict(told.pop("rollout")), **told}


@route("POST", "/rollouts/pause")
def pause(app: App, model: str, environment: str, actor: str = "") -> Any:
    """Let a rollout stay at its share; it still goes back when a guard fails."""
    return app.poked(app.rollouts.progress.pause(model, environment, app.actor(actor)))


@route("POST", "/rollouts/resume")
def resume(app: App, model: str, environment: str, actor: str = "") -> Any:
    """Let a paused rollout go on."""
    return app.poked(app.rollouts.progress.resume(model, environment, app.actor(actor)))


@route("POST", "/rollouts/abort")
def abort(app: App, model: str, environment: str, actor: str = "") -> Any:
    """End a rollout: the champion answers everything again."""
    return app.poked(app.rollouts.progress.abort(model, environment, app.actor(actor)))
