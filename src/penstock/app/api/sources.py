"""Rows that are pushed to sources."""

from __future__ import annotations

from typing import Any

from penstock.app.api.routes import Routes
from penstock.app.wiring import App

ROUTES = Routes()
route = ROUTES.route


@route("POST", "/sources/{name}/events")
def push(app: App, name: str, rows: list[dict[str, Any]], *, environment: str = "", project: str = "") -> Any:
    """Rows of a source that is declared with `events`, durable when answered; none is doubled."""
    return app.pushing.push(name, rows, project=project, environment=environment)
