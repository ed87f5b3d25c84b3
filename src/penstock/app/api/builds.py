"""Builds: their reports and logs, while they run as well; trying again and cancelling."""

from __future__ import annotations

from typing import Any

import msgspec

from penstock.app.api.lists import LIMIT, listed
from penstock.app.api.routes import Routes
from penstock.app.wiring import App
from penstock.builds.requests import cancel, retry
from penstock.builds.types import Build
from penstock.core.errors import NotFound
from penstock.revisions.types import Revision

ROUTES = Routes()
route = ROUTES.route
UNDER_WAY = ("queued", "running")
PIECE = 256 * 1024
"""Bytes of a log that one answer has at most."""


@route("GET", "/builds")
def builds(app: App, project: str = "", limit: int = LIMIT) -> Any:
    """Builds, the newest first."""
    return listed(app, Build, "-created", limit, project=project)


@route("GET", "/builds/{id}")
def build(app: App, id: str) -> Any:  # noqa: A002 - the field's name
    """A build with its report, as far as it has come."""
    with app.store.read() as reader:
        found = reader.get(Build, id)
        links = [r.link for r in reader.find(Revision, id=f"{found.project}:{found.commit}")]
    tests = [msgspec.structs.asdict(test) for test in found.tests]
    covered = [msgspec.structs.asdict(module) for module in found.coverage]
    return {**msgspec.structs.asdict(found), "tests": tests, "coverage": covered, "link": "".join(links)}


@route("GET", "/builds/{id}/log")
def log(app: App, id: str, after: int = 0) -> Any:  # noqa: A002 - the field's name
    """The text of a build's log from the offset `after`, in bytes, and the offset that follows it.

    A log that has lost its middle, or was begun again, is shorter than it was: then it goes on at its end.
    """
    with app.store.read() as reader:
        found = reader.get(Build, id)
    place, text = app.home.folder / found.log, b""
    if place.exists():
        with place.open("rb") as file:
            after = file.seek(min(max(after, 0), file.seek(0, 2)))
            text = file.read(PIECE)
    going = found.status in UNDER_WAY
    if going or len(text) == PIECE:
        whole = text.rfind(b"\n") + 1
        text = text[:whole] if whole or len(text) < PIECE else text
    return {"text": text.decode(errors="replace"), "next": after + len(text), "ended": not (going or text)}


@route("GET", "/builds/{id}/junit")
def junit(app: App, id: str) -> Any:  # noqa: A002 - the field's name
    """The report of pytest as JUnit XML; at `/builds/ID/junit.xml` it is a file."""
    with app.store.read() as reader:
        found = reader.get(Build, id)
    if not found.junit:
        raise NotFound(what=f"Build {id} has no report of pytest.", fix="Its tests did not come to an end.")
    return {"xml": app.blobs.get(found.junit).decode()}


@route("POST", "/builds/{id}/retry")
def retry_build(app: App, id: str, actor: str = "") -> Any:  # noqa: A002 - the field's name
    """Build again what failed, broke off or was cancelled."""
    return app.poked(retry(app.store, id, app.actor(actor), app.clock.now()))


@route("POST", "/builds/{id}/cancel")
def cancel_build(app: App, id: str, actor: str = "") -> Any:  # noqa: A002 - the field's name
    """End a build before its time."""
    return app.poked(cancel(app.store, id, app.actor(actor), app.clock.now()))
