"""Previews end: with their branch, or because there are too many; what was run there stays on record."""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from penstock.core.events import Event
from penstock.deployments.decide import outlived, surplus
from penstock.deployments.types import Deployment
from penstock.lineage.ports import Reader, Transaction
from penstock.revisions.config import ProjectConfig
from penstock.revisions.types import Branch
from penstock.runs.service import end
from penstock.runs.types import Run


def ending(reader: Reader) -> list[tuple[Deployment, str, int]]:
    """The previews whose branch is merged or deleted: what is active there, why it goes, and the cause."""
    previews = [deployment for deployment in reader.find(Deployment, active=True) if deployment.branch]
    return [
        each
        for project in dict.fromkeys(preview.project for preview in previews)
        for each in outlived(
            [preview for preview in previews if preview.project == project],
            reader.find(Branch, project=project),
        )
    ]


def make_room(tx: Transaction, arrived: Deployment, config: ProjectConfig, now: datetime) -> None:
    """Remove the oldest previews if there are too many now that one of this configuration has arrived."""
    table, limit = config.declared(arrived.environment), config.environment(arrived.environment).limit
    active = tx.find(Deployment, project=arrived.project, active=True)
    kin = [d for d in active if d.branch and d.environment.startswith(f"{table}-")]
    why = f"{arrived.environment} came and at most {limit} are kept"
    for preview in surplus(kin, limit):
        remove(tx, preview, why, arrived.event, now)


def remove(tx: Transaction, preview: Deployment, why: str, cause: int, now: datetime) -> None:
    """End a preview and cancel the runs that are under way there."""
    tx.put(replace(preview, active=False))
    tx.publish(
        Event(
            kind="environment.removed",
            subject=f"environment:{preview.environment}",
            time=now,
            project=preview.project,
            evidence={
                "environment": preview.environment,
                "branch": preview.branch,
                "release": preview.release,
                "why": why,
            },
            cause=cause,
        )
    )
    under_way = ("queued", "running")
    for run in tx.find(Run, project=preview.project, environment=preview.environment, status=under_way):
        end(tx, run, f"cancelled: {preview.environment} was removed because {why}", "penstock", now)
