"""Releases on their way: by push, by reviewed merge, by promotion, and back."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from penstock.builds.types import Release
from penstock.core.clock import Clock
from penstock.core.errors import Conflict, InvalidValue, NotAllowed, NotFound
from penstock.deployments.decide import arrives, reached, standing
from penstock.deployments.difference import Change, Contents, difference
from penstock.deployments.environments import Environments
from penstock.deployments.holds import hold_on, sentence
from penstock.deployments.path import require_path
from penstock.deployments.placing import Arrival, place
from penstock.deployments.previews import ending, make_room, remove
from penstock.deployments.stops import closed, stop
from penstock.deployments.types import Deployment
from penstock.lineage.ports import Blobs, Reader, Store
from penstock.revisions.config import EnvironmentConfig
from penstock.revisions.types import Branch

SHORTEST = 6
"""Digits of a digest that name a release at least."""


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """What an environment is closed by, and the release that would be there otherwise, 0 for none."""

    project: str
    environment: str
    waits: str
    release: int = 0


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a promotion would change. `before` is 0 where nothing is yet; `against` what forbids it now."""

    project: str
    environment: str
    before: int
    after: int
    against: str
    changes: tuple[Change, ...]


class Releases:
    """Places releases in environments. The same release goes everywhere; nothing is built again."""

    def __init__(self, store: Store, blobs: Blobs, clock: Clock) -> None:
        self._store = store
        self._blobs = blobs
        self._environments = Environments(blobs)
        self._clock = clock

    def tick(self, now: datetime) -> bool:
        """Deploy what pushes and merges ask for, and end previews; True if anything was done.

        What is held or frozen waits: the newest release of the branch goes out afterwards.
        """
        with self._store.read() as reader:
            if not self._free(reader, now) and not ending(reader):
                return False
        with self._store.begin() as tx:
            ended = ending(tx)
            for preview, why, cause in ended:
                remove(tx, preview, why, cause, now)
            arrivals = self._free(tx, now)
            for arrival in arrivals:
                deployment = place(tx, arrival, "penstock", now)
                if arrival.branch:
                    config = self._environments.config(arrival.release)
                    make_room(tx, deployment, config, now)
        return bool(ended or arrivals)

    def waiting(self, now: datetime) -> list[Waiting]:
        """The environments that are closed now, and the releases that wait for them."""
        with self._store.read() as reader:
            coming = {(a.release.project, a.environment): a.release for a in self._arrivals(reader)}
            found = []
            for project in dict.fromkeys(r for (r,) in reader.pick(Release, ("project",))):
                names = self._environments.names(reader, project)
                for name in dict.fromkeys([*names, *(e for p, e in coming if p == project)]):
                    release = coming.get((project, name))
                    there = self._environments.find(reader, project, name)
                    if there and there.deployment.branch:
                        rule = there.rule
                    elif release:
                        rule = self._environments.config(release).environment(name)
                    else:
                        rule = self._environments.newest(reader, project).environment(name)
                    why = (
                        stop(reader, self._environments, release, rule, now)
                        if release
                        else closed(reader, there, rule, project, now)
                    )
                    if why:
                        number = release.number if release else 0
                        found.append(
                            Waiting(project=project, environment=rule.name, waits=why, release=number)
                        )
        return found

    def find(self, ref: str, project: str = "") -> Release:
        """The release of this number, digest, or beginning of a digest (6 digits at least).

        Raises NotFound, or InvalidValue when several fit.
        """
        with self._store.read() as reader:
            return _find(reader, ref, project)

    def promote(self, project: str, ref: str, environment: str, actor: str) -> Deployment:
        """Deploy a release by a person's decision; one that is there already stays.

        Raises NotFound, and NotAllowed before enough of its runs succeeded where the path demands and
        while the environment is held or frozen.
        """
        with self._store.begin() as tx:
            release = _find(tx, ref, project)
            config, now = self._environments.config(release), self._clock.now()
            rule = config.environment(environment)
            active = tx.find(Deployment, project=project, environment=environment, active=True)
            if rule.on == "promote" and active and active[0].release == release.id:
                return active[0]
            require_path(tx, release, rule, config)
            if why := stop(tx, self._environments, release, rule, now):
                raise NotAllowed(what=f"{environment} {why}.", fix="penstock environments says what waits.")
            arrival = Arrival(
                release=release,
                environment=environment,
                why=f"promoted by {actor} after {rule.after}",
                kind="promote",
                cause=release.event,
            )
            return place(tx, arrival, actor, now)

    def plan(self, project: str, ref: str, environment: str, now: datetime) -> Plan:
        """What promoting a release would change, and what stands against it. Raises NotFound."""
        with self._store.read() as reader:
            release = _find(reader, ref, project)
            config = self._environments.config(release)
            rule = config.environment(environment)
            there = self._environments.find(reader, release.project, environment)
            against = stop(reader, self._environments, release, rule, now)
            try:
                require_path(reader, release, rule, config)
            except NotAllowed as refusal:
                against = str(refusal)
        before = self._contents(there.release, environment) if there else None
        return Plan(
            project=release.project,
            environment=environment,
            before=there.release.number if there else 0,
            after=release.number,
            against=f"{environment} {against}" if against.startswith(("is ", "cannot ")) else against,
            changes=tuple(difference(before, self._contents(release, environment))),
        )

    def _contents(self, release: Release, environment: str) -> Contents:
        def read(digest: str) -> bytes:
            return self._blobs.get(digest) if digest else b""

        return Contents(
            release=release,
            config=self._environments.config(release).inside(environment),
            environment=environment,
            lock=read(release.lock).decode(),
            size=len(read(release.wheel)),
        )

    def rollback(self, project: str, environment: str, actor: str, to: str = "") -> Deployment:
        """Deploy the release that was there before, or the earlier one that `to` names, at once.

        A freeze does not prevent it: it brings nothing new. Raises Conflict if there was none, NotFound
        for a release that never was there, and NotAllowed while the environment is held.
        """
        with self._store.begin() as tx:
            history = tx.find(Deployment, project=project, environment=environment, order="event")
            active = next((d for d in history if d.active), None)
            earlier = standing(history)[:-1]
            if active is None or not (earlier or to):
                raise Conflict(
                    what=f"There is no earlier release of {project} in {environment} to go back to",
                    found=f"{len(history)} deployments there",
                    fix="penstock promote puts a release there.",
                )
            release = _find(tx, to, project) if to else tx.get(Release, earlier[-1])
            if release.id not in {d.release for d in history}:
                raise NotFound(
                    what=f"Release {release.number} of {project} never was in {environment}",
                    fix=f"penstock deployments --in {environment} lists what was.",
                )
            if release.id == active.release:
                return active
            if hold := hold_on(tx, project, environment):
                raise NotAllowed(
                    what=f"{environment} is {sentence(hold)}.",
                    fix=f"Lift that first: penstock unhold {environment}.",
                )
            arrival = Arrival(
                release=release,
                environment=environment,
                why=f"rolled back by {actor} from release {tx.get(Release, active.release).number}",
                kind="rollback",
                cause=active.event,
                branch=active.branch,
            )
            return place(tx, arrival, actor, self._clock.now())

    def _free(self, reader: Reader, now: datetime) -> list[Arrival]:
        """The arrivals that nothing stands in the way of."""
        return [
            arrival
            for arrival in self._arrivals(reader)
            if not stop(
                reader,
                self._environments,
                arrival.release,
                self._environments.config(arrival.release).environment(arrival.environment),
                now,
            )
        ]

    def _arrivals(self, reader: Reader) -> list[Arrival]:
        arrivals = []
        for branch in reader.find(Branch, deleted=None):
            found = reader.find(
                Release, project=branch.project, commit=branch.commit, order="-number", limit=1
            )
            if not found:
                continue
            release = found[0]
            for rule in self._environments.config(release).environments:
                name = reached(rule, branch.name)
                past = reader.find(Deployment, project=branch.project, environment=name, commit=branch.commit)
                if arrives(rule, branch, past):
                    arrivals.append(
                        Arrival(
                            release=release,
                            environment=name,
                            why=_reason(rule, branch),
                            kind=rule.on,
                            cause=max(release.event, branch.event),
                            branch=branch.name if rule.on == "branch" else "",
                        )
                    )
        return arrivals


def _reason(rule: EnvironmentConfig, branch: Branch) -> str:
    if rule.on in {"push", "branch"}:
        return f"pushed to {branch.name}"
    approved = f", approved by {', '.join(branch.approvals)}" if branch.approvals else ""
    return f"merged to {branch.name}{approved}"


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
