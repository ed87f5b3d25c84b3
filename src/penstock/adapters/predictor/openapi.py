"""What the prediction service may be asked, as an OpenAPI document made of the models' signatures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib.metadata import version
from typing import Any
from urllib.parse import quote

from penstock.datasets.types import Column
from penstock.models.types import Signature
from penstock.serving.assignment import served_version
from penstock.serving.columns import LARGEST_FLOAT, LARGEST_INTEGER, datatype
from penstock.serving.types import ServedModel

VERSION = "3.1.0"
_JSON = "application/json"
_TYPES: dict[str, dict[str, Any]] = {
    "float": {"type": "number", "minimum": -LARGEST_FLOAT, "exclusiveMaximum": LARGEST_FLOAT},
    "int": {"type": "integer", "minimum": LARGEST_INTEGER[0], "maximum": LARGEST_INTEGER[1] - 1},
    "bool": {"type": "boolean"},
    "string": {"type": "string"},
}


def openapi(models: Iterable[ServedModel]) -> dict[str, Any]:
    """The document of the models that have a champion, whose signature is theirs."""
    paths: dict[str, Any] = {
        "/v2": _got("What this is."),
        "/v2/health/live": _got("Whether it lives."),
        "/v2/health/ready": _got("Whether every champion answers."),
        "/get-online-features": _posted("Features of entities, for clients of Feast.", {_JSON: _features()}),
        "/metrics": _got("What it has counted, for Prometheus.", "text/plain"),
    }
    for model in models:
        if model.champion:
            paths.update(_of_model(model.name, served_version(model, model.champion).signature))
    return {
        "openapi": VERSION,
        "info": {"title": "Penstock predictions", "version": version("penstock")},
        "paths": paths,
    }


def _of_model(name: str, signature: Signature) -> Iterator[tuple[str, Any]]:
    place = quote(name, safe="")
    row = _record({column.name: _kind(column) for column in signature.inputs}, signature)
    rows = {"type": "array", "items": row, "minItems": 1}
    explain = {"explain": {"type": "boolean"}}
    asked = _record({"rows": rows, **explain}) | {"required": ["rows"]}
    params = _record(explain) | {"required": []}
    yield f"/predict/{place}", _posted("Rows, a row out for each.", {_JSON: asked})
    yield f"/v2/models/{place}", _got("What the model takes and gives.")
    yield f"/v2/models/{place}/ready", _got("Whether its champion answers.")
    yield (
        f"/v2/models/{place}/infer",
        _posted("The Open Inference Protocol.", {_JSON: _inference(signature)}),
    )
    yield (
        f"/invocations/{place}",
        _posted(
            "MLflow's scoring server.",
            {
                _JSON: {
                    "oneOf": [
                        _record({name: rows, "params": params}) | {"required": [name]}
                        for name in ("dataframe_records", "instances", "inputs")
                    ]
                },
                "text/csv": {"type": "string"},
                "application/vnd.apache.parquet": {"type": "string", "format": "binary"},
            },
        ),
    )
    yield f"/v1/models/{place}:predict", _posted("KServe's first.", {_JSON: _record({"instances": rows})})


def _features() -> dict[str, Any]:
    text, flag = {"type": "string"}, {"type": "boolean"}
    fields = {
        "entities": {"type": "object", "additionalProperties": {"type": "array"}, "minProperties": 1},
        "features": {"type": "array", "items": text},
        "feature_service": text,
        "full_feature_names": flag,
        "include_feature_view_version_metadata": flag,
        "environment": text,
        "project": text,
    }
    return _record(fields) | {"required": ["entities"]}


def _kind(column: Column) -> dict[str, Any]:
    kind = _TYPES[column.dtype]
    return {"anyOf": [kind, {"type": "null"}]} if column.nullable else kind


def _record(properties: dict[str, Any], signature: Signature | None = None) -> dict[str, Any]:
    """An object of these fields; of a row, those that may be null may be left out."""
    columns = signature.inputs if signature else ()
    optional = {column.name for column in columns if column.nullable}
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }


def _inference(signature: Signature) -> dict[str, Any]:
    tensors = [
        _record(
            {
                "name": {"const": column.name},
                "shape": {"const": [1]},
                "datatype": {"const": datatype(column)},
                "data": {"type": "array", "items": _kind(column), "minItems": 1, "maxItems": 1},
            }
        )
        for column in signature.inputs
    ]
    inputs = {"type": "array", "prefixItems": tensors, "minItems": len(tensors), "maxItems": len(tensors)}
    wishes = _record({"explain": {"type": "boolean"}}) | {"required": []}
    return _record({"inputs": inputs, "parameters": wishes}) | {"required": ["inputs"]}


def _got(summary: str, media: str = _JSON) -> dict[str, Any]:
    return {"get": {"summary": summary, "responses": _answers(media)}}


def _posted(summary: str, content: dict[str, Any]) -> dict[str, Any]:
    taken = {media: {"schema": schema} for media, schema in content.items()}
    body = {"required": True, "content": taken}
    return {"post": {"summary": summary, "requestBody": body, "responses": _answers(_JSON)}}


def _answers(media: str) -> dict[str, Any]:
    return {
        "200": {"description": "The answer.", "content": {media: {"schema": {}}}},
        "default": {"description": "A refusal, in one sentence.", "content": {_JSON: {"schema": {}}}},
    }
