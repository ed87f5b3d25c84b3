"""Releases on their way: by push, by reviewed merge, by promotion, and back."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from msgspec.structs import replace

from penstock.builds.types import Release
from penstock.core.clock import Clock
from penstock.core.errors import Conflict, InvalidValue, NotAllowed, NotFound
from penstock.core.events import Event
from penstock.deployments.decide import arrives
from penstock.deployments.environments import Environments
from penstock.deployments.types import Deployment
from penstock.lineage.ports import Blobs, Reader, Store, Transaction
from penstock.revisions.config import EnvironmentConfig
from penstock.revisions.types import Branch
from penstock.runs.types import Run

SHORTEST = 6
"""Digits of a digest that name a release at least."""


class _Arrival(msgspec.Struct, frozen=True, kw_only=True):
    release: Release
    environment: str
    why: str
    cause: int


class Releases:
    """Places releases in environments. The same release goes everywhere; nothing is built again."""

    def __init__(self, store: Store, blobs: Blobs, clock: Clock) -> None:
        self._store = store
        self._environments = Environments(blobs)
        self._clock = clock

    def tick(self, now: datetime) -> bool:
        """Deploy what pushes and merges ask for; True if anything was deployed."""
        with self._store.read() as reader:
            if not self._arrivals(reader):
                return False
        with self._store.begin() as tx:
            arrivals = self._arrivals(tx)
            for arrival in arrivals:
                _deploy(tx, arrival, "penstock", now)
        return bool(arrivals)

    def find(self, ref: str, project: str = "") -> Release:
        """The release of this number, digest, or beginning of a digest (6 digits at least).

        Raises NotFound, or InvalidValue when several fit.
        """
        with self._store.read() as reader:
            return _find(reader, ref, project)

    def promote(self, project: str, ref: str, environment: str, actor: str) -> Deployment:
        """Deploy a release by a person's decision; one that is there already stays.

        Raises NotFound, and NotAllowed before enough of its runs succeeded where the path demands.
        """
        with self._store.begin() as tx:
            release = _find(tx, ref, project)
            rule = self._environments.config(release).environment(environment)
            active = tx.find(Deployment, project=project, environment=environment, active=True)
            if rule.on == "promote" and active and active[0].release == release.id:
                return active[0]
            _require_path(tx, release, rule)
            arrival = _Arrival(
                release=release,
                environment=environment,
                why=f"promoted by {actor} after {rule.after}",
                cause=release.event,
            )
            return _deploy(tx, arrival, actor, self._clock.now())

    def rollback(self, project: str, environment: str, actor: str) -> Deployment:
        """Deploy the release that was there before, at once. Raises Conflict if there was none."""
        with self._store.begin() as tx:
            history = tx.find(Deployment, project=project, environment=environment, order="-event")
            active = next((d for d in history if d.active), None)
            before = next((d for d in history if active and d.release != active.release), None)
            if active is None or before is None:
                raise Conflict(
                    what=f"There is no earlier release of {project} in {environment} to go back to",
                    found=f"{len(history)} deployments there",
                    fix="penstock promote puts a release there.",
                )
            release = tx.get(Release, before.release)
            arrival = _Arrival(
                release=release,
                environment=environment,
                why=f"rolled back by {actor} from release {tx.get(Release, active.release).number}",
                cause=active.event,
            )
            return _deploy(tx, arrival, actor, self._clock.now())

    def _arrivals(self, reader: Reader) -> list[_Arrival]:
        arrivals = []
        for branch in reader.find(Branch):
            found = reader.find(
                Release, project=branch.project, commit=branch.commit, order="-number", limit=1
            )
            if not found:
                continue
            release = found[0]
            for rule in self._environments.config(release).environments:
                past = reader.find(
                    Deployment, project=branch.project, environment=rule.name, release=release.id
                )
                if arrives(rule, branch, past):
                    arrivals.append(
                        _Arrival(
                            release=release,
                            environment=rule.name,
                            why=_reason(rule, branch),
                            cause=max(release.event, branch.event),
                        )
                    )
        return arrivals


def _reason(rule: EnvironmentConfig, branch: Branch) -> str:
    if rule.on == "push":
        return f"pushed to {branch.name}"
    approved = f", approved by {', '.join(branch.approvals)}" if branch.approvals else ""
    return f"merged to {branch.name}{approved}"


def _require_path(reader: Reader, release: Release, rule: EnvironmentConfig) -> None:
    name = f"release {release.number}"
    if rule.on != "promote":
        raise NotAllowed(
            what=f"Nothing is promoted to {rule.name}",
            found=f'deploy = {{ on = "{rule.on}", branch = "{rule.branch}" }}',
            fix=f"A {rule.on} to {rule.branch} brings a release there.",
        )
    if not reader.count(Deployment, project=release.project, environment=rule.after, release=release.id):
        raise NotAllowed(
            what=f"{name} cannot go to {rule.name} yet",
            expected=f"that it was deployed to {rule.after} first",
            found="that it never was",
            fix=f"Bring it to {rule.after}, and let it run there {rule.successful_runs} times.",
        )
    succeeded = reader.count(
        Run,
        project=release.project,
        environment=rule.after,
        release=release.id,
        status="succeeded",
    )
    if succeeded < rule.successful_runs:
        raise NotAllowed(
            what=f"{name} cannot go to {rule.name} yet",
            expected=f"at least {rule.successful_runs} successful runs in {rule.after}",
            found=f"{succeeded}",
            fix=f"Start another with: penstock triggers fire PIPELINE --in {rule.after}",
        )


def _find(reader: Reader, ref: str, project: str) -> Release:
    where: dict[str, Any] = {"project": project} if project else {}
    found = reader.find(Release, number=int(ref), **where) if ref.isdecimal() and len(ref) < 19 else []
    if not found and len(ref) >= SHORTEST:
        found = [r for r in reader.find(Release, **where) if r.id.startswith(ref.lower())]
    if not found:
        raise NotFound(
            what=f"There is no release {ref}",
            expected=f"its number, or at least {SHORTEST} digits of its digest",
            fix="penstock releases lists them.",
        )
    if len(found) > 1:
        raise InvalidValue(
            what=f"Several releases are meant by {ref}",
            expected="one",
            found=", ".join(f"{r.project} release {r.number} ({r.id[:12]})" for r in found),
        )
    return found[0]


def _deploy(tx: Transaction, arrival: _Arrival, actor: str, now: datetime) -> Deployment:
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
        active=True,
        event=event,
    )
    tx.add(deployment)
    return deployment
