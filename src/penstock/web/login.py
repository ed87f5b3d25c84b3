"""Who asks: the access token of a request, and the page where a browser is given one."""

from __future__ import annotations

from asyncio import to_thread
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

from litestar import MediaType, Request, Response, get, post
from litestar.datastructures import Cookie
from litestar.handlers import HTTPRouteHandler
from litestar.response import Redirect
from litestar.types import Scope

from penstock.app import App
from penstock.app.api import call
from penstock.app.api.roles import admitted
from penstock.core.errors import NotAuthenticated
from penstock.web.guard import COOKIE, is_near, token_of
from penstock.web.pages import login_page

HEADERS = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'"}
_LONGEST = 4096


async def admit(
    app: App, request: Request[Any, Any, Any], path: str, fields: Mapping[str, Any]
) -> dict[str, Any]:
    """See `admitted`."""
    text, near, method = token_of(request.headers), is_near(request.scope), str(request.method)
    return await to_thread(admitted, app, text, method, path, fields, near=near)


async def done(
    app: App, request: Request[Any, Any, Any], path: str, fields: Mapping[str, Any]
) -> dict[str, Any]:
    """What a call says once whoever asks is admitted: all in one thread, for going to one and back takes as
    long as many a call.
    """
    text, near, method = token_of(request.headers), is_near(request.scope), str(request.method)

    def answered() -> dict[str, Any]:
        told: dict[str, Any] = call(app, method, path, admitted(app, text, method, path, fields, near=near))
        return told

    return await to_thread(answered)


def asking(error: str = "", status: int = 200) -> Response[str]:
    """The page that asks for a token."""
    return Response(login_page(error), media_type=MediaType.HTML, headers=HEADERS, status_code=status)


def login_handlers(app: App) -> list[HTTPRouteHandler]:
    """The page where a person shows a token, and what keeps it in a cookie that no script sees."""

    @get("/login", sync_to_thread=False)
    def ask() -> Response[str]:
        """The page."""
        return asking()

    @post("/login", status_code=303)
    async def login(request: Request[Any, Any, Any]) -> Response[Any]:
        """Look at the token; the cookie goes with requests of these pages only."""
        body = (await request.body())[:_LONGEST].decode(errors="replace")
        text = parse_qs(body).get("token", [""])[0].strip()
        try:
            await to_thread(app.tokens.holder, text)
        except NotAuthenticated as error:
            return asking(str(error), 401)
        secure = _is_secure(request.scope)
        cookie = Cookie(key=COOKIE, value=text, httponly=True, samesite="strict", secure=secure)
        return Redirect("/", cookies=[cookie], status_code=303)

    return [ask, login]


def _is_secure(scope: Scope) -> bool:
    forwarded = dict(scope.get("headers", ())).get(b"x-forwarded-proto", b"")
    return scope.get("scheme") == "https" or forwarded == b"https"
