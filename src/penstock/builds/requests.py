"""What a person may ask of a build: to be tried again, or not to go on."""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from penstock.builds.types import Build
from penstock.core.errors import Conflict
from penstock.core.events import Event
from penstock.lineage.ports import Store, Transaction
from penstock.revisions.statuses import tell


def retry(store: Store, key: str, actor: str, now: datetime) -> Build:
    """Queue again a build that made no release. Raises NotFound, and Conflict if it passed or goes on."""
    with store.begin() as tx:
        build = tx.get(Build, key)
        if build.status not in {"failed", "error", "cancelled"}:
            raise Conflict(
                what=f"Build {key} cannot be retried: it is {build.status}.",
                fix="Only a build that failed, broke off or was cancelled can be retried.",
            )
        build = replace(build, status="queued", started=None, finished=None, tests=(), junit="", error="")
        build = _noted(tx, replace(build, broken=0, not_before=None), "build.retried", actor, now)
        path = f"/builds/{key}"
        tell(tx, build.project, build.commit, state="pending", description="queued", path=path)
    return build


def cancel(store: Store, key: str, actor: str, now: datetime) -> Build:
    """End a build before its time. Raises NotFound, and Conflict if it has ended."""
    with store.begin() as tx:
        build = tx.get(Build, key)
        if build.status not in {"queued", "running"}:
            raise Conflict(what=f"Build {key} cannot be cancelled: it has already {build.status}.")
        said = f"cancelled by {actor}"
        build = replace(
            build, status="cancelled", finished=now, stage="", lease=None, not_before=None, error=said
        )
        build = _noted(tx, build, "build.cancelled", actor, now)
        path = f"/builds/{key}"
        tell(tx, build.project, build.commit, state="failure", description=said, path=path)
    return build


def _noted(tx: Transaction, build: Build, kind: str, actor: str, now: datetime) -> Build:
    [event] = tx.publish(
        Event(
            kind=kind,
            subject=f"build:{build.id}",
            time=now,
            actor=actor,
            project=build.project,
            cause=build.event,
        )
    )
    build = replace(build, event=event)
    tx.put(build)
    return build
