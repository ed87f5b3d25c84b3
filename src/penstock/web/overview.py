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


def overview(app: App) -> dict[str, Any]:
    """The state of the system: what is where, what happened lately, and how the models do."""

    def items(path: str, **query: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = call(app, "GET", path, query)["items"]
        return found

    models = items("/models")
    return {
        "status": call(app, "GET", "/status"),
        "projects": items("/projects"),
        "environments": items("/environments"),
        "builds": items("/builds", limit=RECENT),
        "releases": items("/releases", limit=RECENT),
        "models": [
            {**model, "windows": items("/windows", model=model["id"], limit=WINDOWS)} for model in models
        ],
        "runs": items("/runs", limit=RECENT),
        "firings": items("/firings", limit=RECENT),
        "events": items("/events", newest=RECENT_EVENTS),
    }
