"""Where MLflow's clients ask: `/api/2.0/mlflow/…` and `/api/2.0/mlflow-artifacts/…`."""

from __future__ import annotations

import logging
from asyncio import to_thread
from collections.abc import Callable, Mapping
from functools import partial
from importlib import metadata
from typing import Any, TypeVar
from urllib.parse import unquote_to_bytes

import msgspec
from litestar import MediaType, Request, asgi, get
from litestar.handlers import ASGIRouteHandler, HTTPRouteHandler
from litestar.types import Receive, Scope, Send

from penstock.app import App
from penstock.app.api.roles import let_in
from penstock.core.errors import InvalidValue, PenstockError
from penstock.web.guard import is_near, pieces, require_json, token_of
from penstock.web.login import admit
from penstock.web.mlflow import logged, registry, runs, series
from penstock.web.mlflow.artifacts import Download, delete, download, listed, upload
from penstock.web.mlflow.table import Calls, Refused, refused

MOUNT = "/api"
VERSION = "/2.0/"
SEARCH = "/search"
FILES = "mlflow-artifacts/artifacts"
CALLS = Calls(series.CALLS, runs.CALLS, logged.CALLS, registry.CALLS)
LARGEST = 64 << 20
"""Bytes of a call in JSON."""
JSON = (b"content-type", b"application/json")
log = logging.getLogger("penstock.web")

T = TypeVar("T")
Headers = list[tuple[bytes, bytes]]


def mlflow_handlers(app: App) -> list[ASGIRouteHandler | HTTPRouteHandler]:
    """Answer MLflow's clients."""

    @get("/version", media_type=MediaType.TEXT)
    async def version(request: Request[Any, Any, Any]) -> str:
        """The version of Penstock, to whoever may ask how it is."""
        await admit(app, request, "/status", {})
        return metadata.version("penstock")

    @asgi(MOUNT, is_mount=True, copy_scope=True)
    async def calls(scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name.decode("latin-1").lower(): text.decode("latin-1") for name, text in scope["headers"]}
        answer: bytes | Download | Refused
        try:
            answer = await _answer(app, scope, headers, receive)
        except PenstockError as error:
            answer = refused(error)
        except Refused as error:
            answer = error
        except Exception as error:
            log.exception("%s %s failed", scope.get("method"), scope["path"])
            answer = Refused("INTERNAL_ERROR", f"{type(error).__name__}: {error}", 500)
        if isinstance(answer, Download):
            await _send_file(send, answer)
        elif isinstance(answer, Refused):
            asks = [(b"www-authenticate", b'Basic realm="Penstock"')] if answer.status == 401 else []
            await _send(send, answer.status, answer.body(), [JSON, *asks])
        else:
            await _send(send, 200, answer, [JSON])

    return [version, calls]


async def _answer(app: App, scope: Scope, headers: Mapping[str, str], receive: Receive) -> bytes | Download:
    method, path = str(scope.get("method", "GET")), _path(scope)
    query = scope["query_string"].decode("latin-1")
    write = method not in {"GET", "HEAD"} and not path.endswith(SEARCH)
    admit = partial(let_in, app, token_of(headers), "", write=write, near=is_near(scope))
    if method == "GET" and path == FILES:
        return msgspec.json.encode(await to_thread(_after, admit, lambda _: listed(app, query)))
    if path.startswith(f"{FILES}/"):
        await to_thread(admit)
        return await _file(app, method, path.removeprefix(f"{FILES}/"), receive)
    found = CALLS.find(method, path)
    if found is None:
        raise Refused("ENDPOINT_NOT_FOUND", f"Penstock does not answer {method} {MOUNT}{VERSION}{path}.", 404)
    call, parts = found
    if method == "POST":
        require_json(headers.get("content-type", ""))
    body = await _body(receive)
    return await to_thread(_after, admit, lambda who: call.answer(app, who, query, body, parts))


def _after(admit: Callable[[], str], do: Callable[[str], T]) -> T:
    """Do something for whoever is admitted, in one go: changing threads twice would cost more than asking."""
    return do(admit())


async def _file(app: App, method: str, path: str, receive: Receive) -> bytes | Download:
    if method == "GET":
        return await to_thread(download, app, path)
    if method == "PUT":
        await upload(app, path, receive)
    elif method == "DELETE":
        await to_thread(delete, app, path)
    else:
        raise Refused("ENDPOINT_NOT_FOUND", f"Penstock does not answer {method} of a file.", 404)
    return b"{}"


def _path(scope: Scope) -> str:
    """The path as it was asked, decoded once: what is left that looks encoded is part of a name."""
    raw = bytes(scope.get("raw_path") or scope["path"].encode()).partition(b"?")[0]
    try:
        path = unquote_to_bytes(raw).decode()
    except UnicodeDecodeError as error:
        raise InvalidValue(expected="a path in UTF-8", found=repr(raw[:80])) from error
    return path.removeprefix(f"{MOUNT}{VERSION}")


async def _body(receive: Receive) -> bytes:
    body = bytearray()
    async for piece in pieces(receive):
        body += piece
        if len(body) > LARGEST:
            raise InvalidValue(expected=f"a call of at most {LARGEST} bytes", found="more")
    return bytes(body)


async def _send(send: Send, status: int, body: bytes, headers: Headers) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def _send_file(send: Send, found: Download) -> None:
    headers = [
        (b"content-type", b"application/octet-stream"),
        (b"content-disposition", b"attachment"),
        (b"x-content-type-options", b"nosniff"),
        (b"content-length", str(found.size).encode()),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    source = await to_thread(open, found.path, "rb")
    with source:
        while piece := await to_thread(source.read, 1 << 20):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})
