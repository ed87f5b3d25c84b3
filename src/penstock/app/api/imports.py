"""Models made elsewhere: their files, piece by piece, and the runs that make versions of them."""

from __future__ import annotations

from typing import Any

from penstock.app.api.routes import Routes
from penstock.app.wiring import App

ROUTES = Routes()
route = ROUTES.route


@route("POST", "/imports/pieces")
def piece(app: App, data: str, project: str = "") -> Any:
    """Keep a piece of a file, in base64, for an import into a project; gives its digest."""
    app.project(project)
    return {"digest": app.importing.keep(data)}


@route("POST", "/imports")
def begin(
    app: App,
    *,
    name: str,
    files: dict[str, Any] | None = None,
    source: str = "",
    format: str = "",  # noqa: A002 - the field's name
    examples: list[Any] | None = None,
    rows: str = "",
    label: str = "",
    unsafe: str = "",
    project: str = "",
    actor: str = "",
) -> Any:
    """Start the run that makes a version of a model made elsewhere.

    `files` are by path lists of the digests of their pieces, `examples` such a list of a table of `rows`
    (`csv` or `parquet`); `format` is onnx, skops, mlflow or pickle, told by the names where it is empty.
    """
    asked = {
        "model": name,
        "kind": format,
        "files": files or {},
        "source": source,
        "examples": examples or [],
        "rows": rows,
        "label": label,
        "unsafe": unsafe,
    }
    begun = app.importing.begin(asked, project=app.project(project), actor=app.actor(actor))
    return app.poked({"run": begun.id, "environment": begun.environment})
