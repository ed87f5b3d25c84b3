"""The built-in git host at `/git/PROJECT.git`."""

from __future__ import annotations

from asyncio import to_thread
from collections.abc import Mapping
from urllib.parse import parse_qs

from litestar import asgi
from litestar.handlers import ASGIRouteHandler
from litestar.types import Receive, Scope, Send

from penstock.adapters.forges.git_http import Response, refused, serve_git
from penstock.app import App
from penstock.app.api.roles import let_in
from penstock.core.errors import NotAllowed, NotAuthenticated
from penstock.web.guard import is_near, pieces, token_of

MOUNT = "/git"
_ASK = ("WWW-Authenticate", 'Basic realm="Penstock: an access token is the password", charset="UTF-8"')


def git_handler(app: App) -> ASGIRouteHandler:
    """Serve the repositories of a system to git programs."""

    @asgi(MOUNT, is_mount=True, copy_scope=True)
    async def repositories(scope: Scope, receive: Receive, send: Send) -> None:
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
        }
        answer = await _answer(app, scope, headers, receive)
        named = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers]
        await send({"type": "http.response.start", "status": answer.status, "headers": named})
        async for piece in answer.body:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    return repositories


async def _answer(app: App, scope: Scope, headers: Mapping[str, str], receive: Receive) -> Response:
    path = scope["path"].strip("/")
    query = scope["query_string"].decode("latin-1")
    project = path.partition("/")[0].removesuffix(".git")
    write = path.endswith("/git-receive-pack") or parse_qs(query).get("service") == ["git-receive-pack"]
    near = is_near(scope)
    try:
        who = await to_thread(let_in, app, token_of(headers), project, write=write, near=near)
    except NotAuthenticated as error:
        return refused(error.status, str(error), _ASK)
    except NotAllowed as error:
        return refused(error.status, str(error))
    return await serve_git(
        app.home.git,
        method=str(scope.get("method", "GET")),
        path=path,
        query=query,
        headers=headers,
        body=pieces(receive),
        user=who,
    )
