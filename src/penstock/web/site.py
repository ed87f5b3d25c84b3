"""The web application: routes of `app.api` as JSON, pages for people, and the built-in git host."""

from __future__ import annotations

import logging
import os
import re
from asyncio import to_thread
from collections.abc import Collection
from typing import Any

import msgspec
from litestar import Litestar, MediaType, Request, Response, get, post
from litestar.exceptions import HTTPException
from litestar.response import Redirect, Stream
from litestar.status_codes import HTTP_200_OK

from penstock.app import App
from penstock.app.api import call
from penstock.app.api.downloads import Download, download, is_download
from penstock.app.api.roles import is_key
from penstock.app.cards.markdown import card_markdown
from penstock.core.errors import InvalidValue, NotAuthenticated, PenstockError
from penstock.web.git import git_handler
from penstock.web.guard import (
    ALLOWED_HOSTS,
    LOOPBACK,
    is_form,
    only_known_hosts,
    only_near,
    only_ours,
    page_of,
    pressed_fields,
    token_of,
)
from penstock.web.hooks import hooks_handler, signals_handler
from penstock.web.login import admit, asking, done, login_handlers
from penstock.web.mlflow import mlflow_handlers
from penstock.web.overview import overview
from penstock.web.pages import error_page, overview_page
from penstock.web.shown import shown

JSON_SUFFIX = ".json"
XML_SUFFIX = ".xml"
MARKDOWN_SUFFIX = ".md"
CARD = re.compile(r"/models/[^/]+/card")
MARKDOWN = re.compile(rf"{CARD.pattern}\.md")
CONTENT = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
"""What pages may load: nothing from elsewhere. No other page may show them in a frame of its own."""
log = logging.getLogger("penstock.web")


def create_web(app: App, *, hosts: Collection[str] = ()) -> Litestar:
    """The web application of a system.

    It answers requests to loopback names, to `hosts`, and to those that the environment
    variable PENSTOCK_ALLOWED_HOSTS lists with commas; any other Host header is refused, so that
    no web page elsewhere can speak to it by giving its own name this machine's address.
    """
    told = (name.strip() for name in os.environ.get(ALLOWED_HOSTS, "").split(","))
    known = frozenset({*LOOPBACK, app.host, *hosts, *filter(None, told)})

    @get("/health", media_type=MediaType.TEXT, sync_to_thread=False)
    def health() -> str:
        """OK while the process answers."""
        return "OK"

    @get("/")
    async def front(request: Request[Any, Any, Any]) -> Response[str]:
        """The overview as a page."""
        await admit(app, request, "/", {})
        return _html(overview_page(await to_thread(overview, app)))

    @get("/{path:path}")
    async def nouns(request: Request[Any, Any, Any]) -> Response[Any]:
        """A noun as JSON at its URL with `.json`, as a page without; or what can be downloaded."""
        path = request.url.path
        if is_download(path):
            await admit(app, request, path, {})
            return _attachment(await to_thread(download, app, path))
        wanted, form = _asked(path)
        query = await admit(app, request, wanted, dict(request.query_params.items()))
        data = (
            await to_thread(overview, app)
            if wanted == "/"
            else await to_thread(call, app, "GET", wanted, query)
        )
        return (
            _formed(wanted, form, data) if form else _html(await to_thread(shown, app, wanted, query, data))
        )

    @post("/{path:path}", status_code=HTTP_200_OK)
    async def verbs(request: Request[Any, Any, Any]) -> Response[Any]:
        """Do something, told as a JSON object, or by a button of a page, to which it goes back."""
        pressed = is_form(request)
        only_ours(request)
        body = await request.body()
        fields = pressed_fields(body) if pressed else _fields(body)
        if not is_key(app, token_of(request.headers)):
            only_near(request.scope, request.url.path, fields)
        told = await done(app, request, request.url.path, fields)
        return Redirect(page_of(request), status_code=303) if pressed else _json(told)

    return Litestar(
        [
            *(health, front, nouns, verbs, *login_handlers(app)),
            *(hooks_handler(app), signals_handler(app), git_handler(app), *mlflow_handlers(app)),
        ],
        middleware=[only_known_hosts(known)],
        exception_handlers={PenstockError: _refused, HTTPException: _not_understood, Exception: _broken},
        openapi_config=None,
        logging_config=None,
    )


def _asked(path: str) -> tuple[str, str]:
    """The path of a noun, and the form in which it is asked for: a suffix, empty for a page."""
    forms = (JSON_SUFFIX, XML_SUFFIX, *([MARKDOWN_SUFFIX] if MARKDOWN.fullmatch(path) else []))
    form = next((suffix for suffix in forms if path.endswith(suffix)), "")
    return path.removesuffix(form), form


def _formed(path: str, form: str, data: Any) -> Response[Any]:
    """What a noun says, in a form for programs."""
    if form == JSON_SUFFIX:
        return _json(data)
    if form == XML_SUFFIX:
        return _kept(data["xml"], path + form)
    return Response(card_markdown(data), media_type="text/markdown")


def _fields(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body or b"{}", type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidValue(expected="a JSON object", found=str(error)) from error


def _json(data: Any, status: int = HTTP_200_OK) -> Response[bytes]:
    return Response(msgspec.json.encode(data), media_type=MediaType.JSON, status_code=status)


def _kept(text: str, path: str) -> Response[str]:
    """XML as a file to keep: a browser shows none of it."""
    name = path.strip("/").replace("/", "-")
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "X-Content-Type-Options": "nosniff",
    }
    return Response(text, media_type="application/xml", headers=headers)


def _html(text: str, status: int = HTTP_200_OK) -> Response[str]:
    headers = {"Content-Security-Policy": CONTENT}
    return Response(text, media_type=MediaType.HTML, headers=headers, status_code=status)


def _attachment(found: Download) -> Stream:
    headers = {
        "Content-Disposition": f'attachment; filename="{found.file}"',
        "Content-Length": str(found.size),
        "X-Content-Type-Options": "nosniff",
    }
    return Stream(found.pieces, media_type="application/octet-stream", headers=headers)


def _refused(request: Request[Any, Any, Any], error: PenstockError) -> Response[Any]:
    if (request.method == "GET" or is_form(request)) and "text/html" in request.headers.get("accept", ""):
        if isinstance(error, NotAuthenticated):
            return asking(str(error), error.status)
        return _html(error_page(error), error.status)
    return _json(error.as_dict(), error.status)


def _not_understood(_request: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
    return _json(InvalidValue(what=f"{error.detail}.").as_dict(), error.status_code)


def _broken(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    found = f"{type(error).__name__}: {error}"
    told = PenstockError(found=found, fix="logs/control.log in the home says where.")
    return _json(told.as_dict(), told.status)
