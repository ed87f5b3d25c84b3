"""Snapshots: what was read of sources, what its rows were, and which were left out."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import msgspec

from penstock.app.api.lists import LIMIT, brief, listed
from penstock.app.api.routes import Routes
from penstock.app.workbench import Workbench
from penstock.core.errors import NotFound
from penstock.datasets.portraits import portrait
from penstock.datasets.sketches import Sketch
from penstock.datasets.types import Quarantined, Snapshot

ROUTES = Routes()
route = ROUTES.route


@route("GET", "/snapshots")
def snapshots(bench: Workbench, source: str = "", limit: int = LIMIT) -> Any:
    """Snapshots, those of the newest rows first."""
    found = listed(bench, Snapshot, "-as_of", limit, source=source)["items"]
    return {"items": [brief(each, "columns") for each in found]}


@route("GET", "/snapshots/{id}")
def snapshot(bench: Workbench, id: str) -> Any:  # noqa: A002 the word in the address
    """A snapshot, with the profile of its rows and those that were left out."""
    found = _found(bench, id)
    data = bench.blobs.get(found.quarantine) if found.quarantine else b"[]"
    left_out = msgspec.json.decode(data, type=list[Quarantined])
    told = portrait(msgspec.msgpack.decode(bench.blobs.get(found.profile), type=Sketch))
    return {**brief(found, "columns"), "profile": told, "left_out": left_out}


@route("GET", "/snapshots/{id}/sketch")
def sketch(bench: Workbench, id: str) -> Any:  # noqa: A002 the word in the address
    """The sketch of a snapshot's rows, as MessagePack in base64, for whoever holds it against another."""
    return {"sketch": b64encode(bench.blobs.get(_found(bench, id).profile)).decode()}


def _found(bench: Workbench, name: str) -> Snapshot:
    with bench.store.read() as reader:
        found = reader.get(Snapshot, name)
    if not found.profile:
        raise NotFound(what=f"The snapshot {name} was taken before profiles were kept.")
    return found
