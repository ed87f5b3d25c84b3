"""A release takes its place in an environment."""

from __future__ import annotations

from datetime import datetime

import msgspec
from msgspec.structs import replace

from penstock.builds.types import Release
from penstock.core.events import Event
from penstock.deployments.types import Deployment, Kind
from penstock.lineage.ports import Transaction


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """A release on its way to an environment: why and how it comes, by which event, as whose preview."""

    release: Release
    environment: str
    why: str
    kind: Kind
    cause: int
    branch: str = ""


def place(tx: Transaction, arrival: Arrival, actor: str, now: datetime) -> Deployment:
    """Deploy a release in place of what is there, and tell of it."""
    release = arrival.release
    for active in tx.find(Deployment, project=release.project, environment=arrival.environment, active=True):
        tx.put(replace(active, active=False))
    [event] = tx.publish(
        Event(
            kind="release.deployed",
            subject=f"release:{release.id}",
            time=now,
            actor=actor,
            project=release.project,
            evidence={
                "environment": arrival.environment,
                "number": release.number,
                "commit": release.commit,
                "why": arrival.why,
                "kind": arrival.kind,
            },
            cause=arrival.cause or None,
        )
    )
    deployment = Deployment(
        id=tx.mint(Deployment),
        project=release.project,
        environment=arrival.environment,
        release=release.id,
        commit=release.commit,
        deployed=now,
        actor=actor,
        why=arrival.why,
        kind=arrival.kind,
        active=True,
        event=event,
        branch=arrival.branch,
    )
    tx.add(deployment)
    return deployment
