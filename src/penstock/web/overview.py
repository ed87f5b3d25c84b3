"""What the overview page tells, gathered from the same routes that everyone can ask."""

from __future__ import annotations

from typing import Any

from penstock.app import App
from penstock.app.api import call

RECENT = 8
"""How many of each noun the overview shows."""
RECENT_EVENTS = 12
EVENTS_AT_A_TIME = 1000
WINDOWS = 800
"""Windows that the chart is drawn from: two years of days of one model."""

Items = list[dict[str, Any]]


def overview(app: App) -> dict[str, Any]:
    """The state of the system: what is where, what happened lately, and how the models do."""
    runs, builds, firings = (_items(app, path, limit=RECENT) for path in ("/runs", "/builds", "/firings"))
    models = _items(app, "/models")
    return {
        "status": call(app, "GET", "/status"),
        "projects": _items(app, "/projects"),
        "environments": _items(app, "/environments"),
        "builds": builds,
        "releases": _items(app, "/releases", limit=RECENT),
        "models": [
            {**model, "windows": _items(app, "/windows", model=model["id"], limit=WINDOWS)}
            for model in models
        ],
        "runs": runs,
        "firings": firings,
        "events": _last_events(app, max((noun["event"] for noun in (*runs, *builds, *firings)), default=0)),
    }


def _items(app: App, path: str, **query: Any) -> Items:
    found: Items = call(app, "GET", path, query)["items"]
    return found


def _last_events(app: App, known: int) -> Items:
    """The last events of the ledger, sought from an id that is `known` to be near its end."""
    last: Items = []
    after = max(0, known - RECENT_EVENTS)
    while page := _items(app, "/events", after=after, limit=EVENTS_AT_A_TIME):
        last = [*last, *page][-RECENT_EVENTS:]
        after = page[-1]["id"]
    return last
