"""Reports of tests as files, for programs that read JUnit XML."""

from __future__ import annotations

from asyncio import to_thread

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from penstock.app import App
from penstock.app.api import call


def reports_handler(app: App) -> HTTPRouteHandler:
    """Give the report of a build's tests as pytest wrote it."""

    @get("/builds/{build:str}/junit.xml")
    async def report(build: FromPath[str]) -> Response[str]:
        """The report as a file to keep: a browser shows none of it."""
        found = await to_thread(call, app, "GET", f"/builds/{build}/junit", {})
        headers = {
            "Content-Disposition": f'attachment; filename="build-{build}.xml"',
            "X-Content-Type-Options": "nosniff",
        }
        return Response(found["xml"], media_type="application/xml", headers=headers)

    return report
