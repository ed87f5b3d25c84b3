"""The built-in git host at `/git/PROJECT.git`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

from litestar import asgi
from litestar.handlers import ASGIRouteHandler
from litestar.types import Receive, Scope, Send

from penstock.adapters.forges.git_http import serve_git

MOUNT = "/git"


def git_handler(folder: Path) -> ASGIRouteHandler:
    """Serve the repositories in `folder` to git programs."""

    @asgi(MOUNT, is_mount=True, copy_scope=True)
    async def repositories(scope: Scope, receive: Receive, send: Send) -> None:
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
        }
        answer = await serve_git(
            folder,
            method=str(scope.get("method", "GET")),
            path=scope["path"].strip("/"),
            query=scope["query_string"].decode("latin-1"),
            headers=headers,
            body=_pieces(receive),
        )
        named = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers]
        await send({"type": "http.response.start", "status": answer.status, "headers": named})
        async for piece in answer.body:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    return repositories


async def _pieces(receive: Receive) -> AsyncIterator[bytes]:
    """The request's body as it comes; it ends early when the client goes away."""
    more = True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            return
        yield message["body"]
        more = message["more_body"]
