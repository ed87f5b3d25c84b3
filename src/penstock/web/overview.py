"""What the overview page tells, gathered from the same routes that everyone can ask."""

from __future__ import annotations

from typing import Any

from penstock.app import App
from penstock.app.api import call

RECENT = 8
"""How many of each noun the overview shows."""
RECENT_EVENTS = 12
WINDOWS = 800
"""Windows that the chart is drawn from: two years of days of one model."""

Items = list[dict[str, Any]]


def overview(app: App) -> dict[str, Any]:
    """The state of the system: what is where, what happened lately, and how the models do."""
    models = _items(app, "/models")
    return {
        "status": call(app, "GET", "/status"),
        "projects": _items(app, "/projects"),
        "environments": _items(app, "/environments"),
        "builds": _items(app, "/builds", limit=RECENT),
        "releases": _items(app, "/releases", limit=RECENT),
        "models": [
            {
                **model,
                "windows": _items(app, "/windows", model=model["id"], limit=WINDOWS),
                "slices": _items(app, f"/models/{model['id']}/slices", limit=RECENT),
                "unsaid": _items(app, f"/models/{model['id']}/unsaid", limit=RECENT),
            }
            for model in models
        ],
        "alarms": _items(app, "/alarms", limit=RECENT),
        "rollouts": _items(app, "/rollouts", limit=RECENT),
        "tests": _items(app, "/tests", limit=RECENT),
        "runs": _items(app, "/runs", limit=RECENT),
        "firings": _items(app, "/firings", limit=RECENT),
        "events": _items(app, "/events", limit=RECENT_EVENTS, last=True),
    }


def _items(app: App, path: str, **query: Any) -> Items:
    found: Items = call(app, "GET", path, query)["items"]
    return found
