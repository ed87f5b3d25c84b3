"""Channels, actions and signals: who is told of what, what triggers led to, and what programs tell them."""

from __future__ import annotations

from typing import Any

import msgspec

from penstock.app.api.lists import LIMIT, listed
from penstock.app.api.routes import Routes
from penstock.app.wiring import App
from penstock.core.events import Event
from penstock.lineage.ports import Between
from penstock.revisions.types import Project
from penstock.triggers.notices import channel_named
from penstock.triggers.types import Action

FIRED = Between("0")
"""The ids of all firings: they are numbers, and empty where there is none."""
ROUTES = Routes()
route = ROUTES.route


@route("GET", "/actions")
def actions(
    app: App,
    *,
    project: str = "",
    what: str = "",
    firing: str = "",
    fired: bool = False,
    status: str = "",
    limit: int = LIMIT,
) -> Any:
    """What firings and subscriptions led to besides runs, the newest first; or what all firings led to."""
    of: Any = firing or (FIRED if fired else "")
    return listed(app, Action, "-made", limit, project=project, what=what, firing=of, status=status)


@route("POST", "/triggers/signal")
def signal(
    app: App,
    name: str,
    *,
    project: str = "",
    data: dict[str, Any] | None = None,
    delivery: str = "",
    actor: str = "",
) -> Any:
    """Tell that something happened that triggers wait for; under the same delivery it counts once."""
    new = app.signals.take(app.project(project), name, data or {}, app.actor(actor), delivery)
    return app.poked({"new": new})


@route("GET", "/channels")
def channels(app: App, project: str = "") -> Any:
    """The channels of a project, or of all, and the names of their secrets."""
    with app.store.read() as reader:
        places = [app.project(project)] if project else [each.id for each in reader.find(Project)]
        found = [(place, each) for place in places for each in app.subscriptions.channels(reader, place)]
    return {"items": [{"project": place, **msgspec.structs.asdict(channel)} for place, channel in found]}


@route("POST", "/channels/{name}/test")
def try_channel(app: App, name: str, project: str = "", actor: str = "") -> Any:
    """Tell a channel that this is a test, now; nothing of it is kept."""
    place, who = app.project(project), app.actor(actor)
    with app.store.read() as reader:
        channel = channel_named(app.subscriptions.channels(reader, place), name)
    event = Event(
        kind="channel.tested",
        subject=f"channel:{name}",
        time=app.clock.now(),
        actor=who,
        project=place,
        evidence={"why": "somebody tries whether this channel is heard"},
    )
    app.notices.try_channel(place, channel, event)
    return {"channel": name, "told": True}
