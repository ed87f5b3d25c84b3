"""Webhooks of outside forges at `/hooks/PROJECT`, and signals at `/hooks/PROJECT/signals/NAME`."""

from __future__ import annotations

from asyncio import to_thread
from typing import Any

import msgspec
from litestar import MediaType, Request, Response, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from litestar.status_codes import HTTP_202_ACCEPTED

from penstock.app import App

LARGEST = 26 * 1024 * 1024
"""Bytes of a webhook: GitHub sends up to 25 MB."""


def hooks_handler(app: App) -> HTTPRouteHandler:
    """Take webhooks. They are known by their signature, which is why nothing else is asked of them."""

    @post("/hooks/{project:str}", status_code=HTTP_202_ACCEPTED, request_max_body_size=LARGEST)
    async def hooks(request: Request[Any, Any, Any], project: FromPath[str]) -> Response[bytes]:
        """A knock: it is time to look at the project's repository."""
        body = await request.body()
        headers = {name.lower(): value for name, value in request.headers.items()}
        new = await to_thread(app.upstreams.receive, project, headers, body)
        answer = msgspec.json.encode({"new": new})
        return Response(answer, media_type=MediaType.JSON, status_code=HTTP_202_ACCEPTED)

    return hooks


def signals_handler(app: App) -> HTTPRouteHandler:
    """Take signals that are signed: see `triggers.signals`."""

    @post("/hooks/{project:str}/signals/{name:str}", status_code=HTTP_202_ACCEPTED)
    async def signals(
        request: Request[Any, Any, Any], project: FromPath[str], name: FromPath[str]
    ) -> Response[bytes]:
        """Something happened that triggers wait for."""
        body = await request.body()
        headers = {name.lower(): value for name, value in request.headers.items()}
        new = app.poked(await to_thread(app.signals.receive, project, name, headers, body))
        answer = msgspec.json.encode({"new": new})
        return Response(answer, media_type=MediaType.JSON, status_code=HTTP_202_ACCEPTED)

    return signals
