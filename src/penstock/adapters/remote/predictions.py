"""Asks a prediction service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import httpx

from penstock.core.errors import Conflict, InvalidRequest, NotFound, PenstockError, Unavailable

_KINDS: dict[int, type[PenstockError]] = {404: NotFound, 409: Conflict, 503: Unavailable}


class PredictionClient:
    """A prediction service at a URL; `transport` stands in for the network in tests."""

    def __init__(self, url: str, *, transport: httpx.BaseTransport | None = None) -> None:
        self.url = url.rstrip("/")
        self._http = httpx.Client(base_url=self.url, timeout=30.0, transport=transport)

    def columns(self, model: str) -> dict[str, str]:
        """The columns that the model's champion takes, or looks features up by, each with its datatype."""
        told = self._ask("GET", f"/v2/models/{quote(model)}")
        known = [*told["parameters"]["entities"], *told["inputs"]]
        return {column["name"]: column["datatype"] for column in known}

    def predict(self, model: str, rows: Sequence[Mapping[str, Any]]) -> Any:
        """The champion's answers to rows, which may give an entity in place of features."""
        return self._ask("POST", f"/predict/{quote(model)}", {"rows": rows})

    def infer(
        self,
        model: str,
        columns: Mapping[str, Sequence[Any]],
        datatypes: Mapping[str, str],
        version: int = 0,
    ) -> Any:
        """The answer to n rows given as columns, as the Open Inference Protocol v2 has it; of the champion,
        or a version.
        """
        asked = f"{quote(model)}/versions/{version}" if version else quote(model)
        inputs = [
            {"name": name, "shape": [len(values)], "datatype": datatypes[name], "data": list(values)}
            for name, values in columns.items()
        ]
        return self._ask("POST", f"/v2/models/{asked}/infer", {"inputs": inputs})

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        try:
            response = self._http.request(method, path, json=body)
        except httpx.TransportError as error:
            raise Unavailable(
                what=f"The prediction service at {self.url} does not answer: {error}.",
                fix="Start it with penstock up.",
            ) from error
        if response.is_error:
            raise _KINDS.get(response.status_code, InvalidRequest)(what=_sentence(response))
        return response.json()


def _sentence(response: httpx.Response) -> str:
    try:
        return str(response.json()["error"])
    except (ValueError, KeyError, TypeError):
        return f"{response.url} answered {response.status_code}."
