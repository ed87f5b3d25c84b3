"""The table of routes as an OpenAPI document, for whoever writes or generates a client."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from importlib.metadata import version
from typing import Any

import msgspec

from penstock.app.api.routes import Route
from penstock.app.wiring import App

VERSION = "3.1.0"
_TOLD = ("code", "error", "what", "expected", "found", "fix")
_ERROR = {
    "type": "object",
    "properties": {name: {"type": "string"} for name in _TOLD},
    "required": ["code", "error"],
}


def describing(routes: Iterable[Route]) -> Callable[[App], Any]:
    """The route that tells of a table of routes, itself among them."""

    def openapi(app: App) -> Any:  # noqa: ARG001 - every route takes it
        """What may be asked and told here, as an OpenAPI document."""
        return document(routes)

    return openapi


def document(routes: Iterable[Route]) -> dict[str, Any]:
    """An OpenAPI document: what is read at its path with `.json`, what is told at its path."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        read = route.method == "GET"
        path = f"{route.pattern}.json" if read else route.pattern
        paths.setdefault(path, {})[route.method.lower()] = _operation(route, read=read)
    return {
        "openapi": VERSION,
        "info": {
            "title": "Penstock",
            "version": version("penstock"),
            "description": "Every noun of the system at its URL, and the verbs that change them.",
        },
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": {"Error": _ERROR},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}],
    }


def _operation(route: Route, *, read: bool) -> dict[str, Any]:
    in_path = re.findall(r"{(\w+)}", route.pattern)
    kinds = {name: _schema(kind) for name, kind in route.kinds.items()}
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in in_path
    ]
    rest = {name: kind for name, kind in kinds.items() if name not in in_path}
    required = [name for name in route.required if name in rest]
    told: dict[str, Any] = {
        "summary": route.summary,
        "responses": {
            "200": {"description": "What was asked for.", "content": {"application/json": {"schema": {}}}},
            "default": {
                "description": "A refusal, in one sentence.",
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
            },
        },
    }
    if read:
        parameters += [
            {"name": name, "in": "query", "required": name in required, "schema": kind}
            for name, kind in rest.items()
        ]
    else:
        body = {"type": "object", "properties": rest, "additionalProperties": False}
        if required:
            body["required"] = required
        told["requestBody"] = {
            "required": bool(required),
            "content": {"application/json": {"schema": body}},
        }
    return told | ({"parameters": parameters} if parameters else {})


def _schema(kind: Any) -> dict[str, Any]:
    return msgspec.json.schema(kind)
