"""What the prediction service tells everybody of itself and of its models, in the words of each protocol."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from penstock.adapters.predictor.http import Reply, Request, json, version_number
from penstock.adapters.predictor.log import LogWriter
from penstock.adapters.predictor.openapi import openapi
from penstock.adapters.predictor.table import Table
from penstock.core.errors import NotFound
from penstock.serving.assignment import assign, served_model, served_version
from penstock.serving.encode import encode_metadata

_PLATFORM = {"onnx": "onnx_onnxruntime"}


class About:
    """Tells of what is served now."""

    def __init__(self, table: Table, log: LogWriter) -> None:
        self._table = table
        self._log = log
        self._version = version("penstock")

    def told(self, request: Request) -> Reply:
        """What is at a path. Raises NotFound."""
        if request.method != "GET":
            raise nothing(request)
        state = self._table.state
        match request.path.split("/")[1:]:
            case ["v2", *rest]:
                return self._by_inference_protocol(request, rest)
            case ["openapi.json"]:
                return json(openapi(state.models.values()))
            case ["ping" | "health"]:
                return Reply(200, b"\n", b"text/plain")
            case ["version"]:
                return Reply(200, self._version.encode(), b"text/plain")
            case ["v1", "models"]:
                return json({"models": list(state.models)})
            case ["v1", "models", name]:
                return json({"name": name, "ready": state.ready(served_model(state.models, name))})
        raise nothing(request)

    def _by_inference_protocol(self, request: Request, rest: list[str]) -> Reply:  # noqa: PLR0911 - a table of routes
        state = self._table.state
        match rest:
            case [] | [""]:
                extensions = ["binary_tensor_data"]
                return json({"name": "penstock", "version": self._version, "extensions": extensions})
            case ["health", "live"]:
                return json({"live": True})
            case ["health", "ready"]:
                models = [model for model in state.models.values() if model.champion]
                return _readiness({}, all(map(state.ready, models)) and not self._log.error)
            case ["models", name]:
                return Reply(200, self._metadata(name, 0))
            case ["models", name, "versions", text]:
                return Reply(200, self._metadata(name, version_number(text)))
            case ["models", name, "ready"]:
                return _readiness({"name": name}, state.ready(served_model(state.models, name)))
            case ["models", name, "versions", text, "ready"]:
                self._table.find(name, version_number(text))
                return _readiness({"name": name}, (name, version_number(text)) in state.live)
        raise nothing(request)

    def _metadata(self, name: str, chosen: int) -> bytes:
        model = served_model(self._table.state.models, name)
        found = served_version(model, assign(model, chosen)[0])
        numbers = [each.number for each in model.versions]
        platform = _PLATFORM.get(found.format, found.format)
        entities = {column.name: column for view in found.origins.views for column in view.entity}
        return encode_metadata(name, numbers, platform, found.signature, tuple(entities.values()))


def nothing(request: Request) -> NotFound:
    """The refusal of a request for what is not here."""
    return NotFound(
        what=f"There is nothing at {request.method} {request.path}", fix="GET /v2 says what is here."
    )


def _readiness(about: dict[str, Any], ready: bool) -> Reply:
    return json({**about, "ready": ready}, 200 if ready else 503)
