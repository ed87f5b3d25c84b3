"""The same calls as `app.api.call`, answered by a server over HTTP."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

import httpx

from penstock.core.errors import PenstockError, Unavailable, from_dict


class RemoteApi:
    """A server at a URL such as `http://127.0.0.1:4747`.

    `token` is shown to it. `transport` stands in for the network in tests.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str = "",
        timeout: float = 60.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.Client(base_url=self.url, timeout=timeout, transport=transport, headers=headers)

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """The server's answer as JSON-like data.

        Raises the error that the server answered with, and Unavailable when it does not answer.
        """
        fields = dict(body or {})
        address = quote(path, safe="/@:+")
        try:
            if method == "GET":
                response = self._http.get(f"{address}.json", params=fields)
            else:
                response = self._http.request(method, address, json=fields)
        except httpx.TransportError as error:
            raise self._silent(error) from error
        if response.is_error:
            raise refusal(response)
        return response.json()

    def pieces(self, path: str) -> Iterator[bytes]:
        """The bytes at a path, piece by piece. Raises as `call`."""
        try:
            with self._http.stream("GET", quote(path, safe="/@:+")) as response:
                if response.is_error:
                    response.read()
                    raise refusal(response)
                yield from response.iter_raw()
        except httpx.TransportError as error:
            raise self._silent(error) from error

    def _silent(self, error: httpx.TransportError) -> Unavailable:
        return Unavailable(
            what=f"The server at {self.url} does not answer: {error}.",
            fix="Start it with penstock up, or name another with --server.",
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


def refusal(response: httpx.Response) -> PenstockError:
    """The error that was raised at the server, as it was."""
    try:
        return from_dict(response.json())
    except (ValueError, KeyError, TypeError):
        return Unavailable(
            what=f"{response.url} answered {response.status_code} with something that is not Penstock's.",
            fix="Look whether another program listens there.",
        )
