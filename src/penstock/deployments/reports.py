"""What a gate says of a version, kept and told of; and what it asks whatever the gate is."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from penstock.checks import is_sign_off
from penstock.core.events import Event
from penstock.deployments.quality import Assessment
from penstock.deployments.types import GateReport, Verdict
from penstock.lineage.ports import Transaction
from penstock.models.types import Version
from penstock.revisions.config import ModelConfig

Outcome = Literal["passed", "failed", "waiting"]


def keyed(configured: ModelConfig | None, version: Version) -> tuple[Verdict, ...]:
    """A verdict against a version that does not take the column by which a rollout would assign requests."""
    key = configured.rollout.key if configured and configured.rollout else ""
    names = [column.name for column in version.signature.inputs]
    if not key or key in names:
        return ()
    why = f"its key {key!r} is no input of the model, which takes {', '.join(names)}"
    return (Verdict(check="rollout", passed=False, why=why),)


def lasting(version: Version, now: datetime) -> tuple[Verdict, ...]:
    """A verdict against a version whose time is over."""
    if version.expires is None or version.expires > now:
        return ()
    why = f"it expired at {version.expires:%Y-%m-%d %H:%M} UTC; train another one"
    return (Verdict(check="expires_after", passed=False, why=why),)


def told_report(
    tx: Transaction,
    version: Version,
    environment: str,
    verdicts: tuple[Verdict, ...],
    assessed: Assessment,
    *,
    cause: int,
    now: datetime,
) -> GateReport:
    """Keep what a gate said, and tell of it."""
    missing = {verdict.check for verdict in verdicts if not verdict.holds}
    outcome: Outcome = "passed" if not missing else "waiting" if all(map(is_sign_off, missing)) else "failed"
    [event] = tx.publish(
        Event(
            kind=f"gate.{outcome}",
            subject=f"version:{version.id}",
            time=now,
            project=version.project,
            evidence={
                "environment": environment,
                "artifact": version.artifact,
                "verdicts": [msgspec.to_builtins(verdict) for verdict in verdicts],
            },
            cause=cause or None,
        )
    )
    report = GateReport(
        id=f"{environment}:{version.id}",
        environment=environment,
        model=version.model,
        number=version.number,
        artifact=version.artifact,
        time=now,
        outcome=outcome,
        verdicts=verdicts,
        event=event,
        quality=msgspec.to_builtins(assessed),
    )
    (tx.put if tx.count(GateReport, id=report.id) else tx.add)(report)
    return report
