"""The verbs of source control: connect a project, see its commits, approve and merge them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import PurePath
from threading import Lock

from msgspec.structs import replace

from penstock.core.clock import Clock
from penstock.core.errors import InvalidValue, NotAllowed, NotFound
from penstock.core.events import Event
from penstock.core.words import meant
from penstock.lineage.ports import Reader, Store
from penstock.revisions.config import ProjectConfig, parse_config
from penstock.revisions.decide import SHOWN, approvals_needed, moved, objections
from penstock.revisions.names import check_name
from penstock.revisions.ports import Forge
from penstock.revisions.record import record
from penstock.revisions.types import Approval, Branch, Project, Revision

CONFIG = "penstock.toml"
SHORTEST = 4
"""Digits of a commit that name it at least."""


class Revisions:
    """Looks after the repositories of projects.

    A merge is told before it is done (`merge.asked`), and only merges move a protected branch;
    so whoever sees it moved, also after a crash, knows why and by whose approvals.
    """

    def __init__(self, store: Store, forge: Forge, clock: Clock) -> None:
        self._store = store
        self._forge = forge
        self._clock = clock
        self._seeing = Lock()

    def connect(self, name: str, data_root: str, actor: str) -> Project:
        """Look after a project from now on; connecting it again moves its data root.

        `data_root` is an absolute path. Raises InvalidValue for an impossible name or path.
        """
        check_name(name, "project")
        if not PurePath(data_root).is_absolute() or "\0" in data_root:
            raise InvalidValue(
                what="This cannot be the folder of the data",
                expected="an absolute path",
                found=repr(data_root),
            )
        now = self._clock.now()
        project = Project(id=name, created=now, data_root=data_root)
        self._forge.create(name, protected=project.protected)
        with self._store.begin() as tx:
            known = tx.find(Project, id=name)
            if known and known[0].data_root == data_root:
                return known[0]
            if known:
                project = replace(known[0], data_root=data_root)
                tx.put(project)
            else:
                tx.add(project)
            tx.publish(
                Event(
                    kind="project.connected",
                    subject=f"project:{name}",
                    time=now,
                    actor=actor,
                    project=name,
                    evidence={"data_root": data_root},
                )
            )
        return project

    def tick(self, now: datetime) -> bool:
        """See what was pushed; True if a branch moved."""
        with self._store.read() as reader:
            projects = reader.find(Project)
        moves = [self._see(project, now) for project in projects]
        return any(moves)

    def approve(self, project: str, ref: str, actor: str) -> Approval:
        """Say yes to a revision, named by its commit, the beginning of it, or a branch.

        Anyone with a name may approve, the author as well; who did is on record, and approving
        again changes nothing. Raises InvalidValue without a name, NotFound for an unknown revision.
        """
        if not actor.strip():
            raise InvalidValue(what="An approval needs a name", fix="Say who approves.")
        now = self._clock.now()
        self._see(self._project(project), now)
        with self._store.begin() as tx:
            revision = _revision(tx, project, ref)
            key = f"{revision.id}:{actor}"
            given = tx.find(Approval, id=key)
            if given:
                return given[0]
            [event] = tx.publish(
                Event(
                    kind="revision.approved",
                    subject=f"revision:{revision.commit}",
                    time=now,
                    actor=actor,
                    project=project,
                    evidence={"branch": revision.branch, "author": revision.author},
                    cause=revision.event,
                )
            )
            approval = Approval(
                id=key, project=project, commit=revision.commit, actor=actor, time=now, event=event
            )
            tx.add(approval)
        return approval

    def merge(self, project: str, branch: str, actor: str, is_green: Callable[[str], bool]) -> Branch:
        """Merge the newest commit of a branch into the protected one; gives where that then stands.

        The approvals that are needed are those that the protected branch's own `penstock.toml` asks
        for (the first merge goes by its own). `is_green(commit)` tells whether a build passed.
        Merging again changes nothing. Raises NotFound, NotAllowed with everything that is missing,
        or Conflict naming the files that do not merge.
        """
        now = self._clock.now()
        home = self._project(project)
        self._see(home, now)
        with self._store.read() as reader:
            source = _branch(reader, project, branch)
            target = next(iter(reader.find(Branch, id=f"{project}:{home.protected}")), None)
            approvals = tuple(a.actor for a in reader.find(Approval, project=project, commit=source.commit))
        if branch == home.protected:
            raise InvalidValue(
                what=f"{branch} cannot be merged into itself", expected="another branch", found=repr(branch)
            )
        if target and target.commit == source.commit:
            return target
        config = self._config(project, target.commit if target else source.commit)
        against = objections(
            source.commit,
            needed=approvals_needed(config, home.protected),
            approvals=approvals,
            green=is_green(source.commit),
        )
        if against:
            raise NotAllowed(
                what=f"{branch} ({source.commit[:SHOWN]}) cannot be merged into {home.protected} yet",
                found=" and ".join(found for found, _ in against),
                fix=" ".join(fix for _, fix in against),
            )
        self._ask(home, source, approvals, actor, now)
        self._forge.merge(
            project,
            commit=source.commit,
            into=home.protected,
            actor=actor,
            message=f"Merge {branch} into {home.protected}\n\nApproved by: {', '.join(approvals)}",
        )
        self._see(home, now)
        with self._store.read() as reader:
            return _branch(reader, project, home.protected)

    def _ask(
        self, project: Project, source: Branch, approvals: tuple[str, ...], actor: str, now: datetime
    ) -> None:
        evidence = {"branch": source.name, "commit": source.commit, "approvals": approvals}
        with self._store.begin() as tx:
            tx.publish(
                Event(
                    kind="merge.asked",
                    subject=f"branch:{project.protected}",
                    time=now,
                    actor=actor,
                    project=project.id,
                    evidence=evidence,
                    cause=source.event,
                )
            )

    def _see(self, project: Project, now: datetime) -> bool:
        with self._seeing:  # heads that were read earlier must not be recorded later
            heads = self._forge.heads(project.id)
            with self._store.read() as reader:
                if not moved(reader.find(Branch, project=project.id), heads):
                    return False
            with self._store.begin() as tx:
                for head in moved(tx.find(Branch, project=project.id), heads):
                    record(tx, project, head, now)
            return True

    def _project(self, name: str) -> Project:
        with self._store.read() as reader:
            return reader.get(Project, name)

    def _config(self, project: str, commit: str) -> ProjectConfig:
        text = self._forge.read(project, commit, CONFIG).decode(errors="replace")
        return parse_config(text, f"{CONFIG} of {commit[:SHOWN]}")


def _branch(reader: Reader, project: str, name: str) -> Branch:
    branches = {branch.name: branch for branch in reader.find(Branch, project=project)}
    if name not in branches:
        raise NotFound(what=f"{project} has no branch {name!r}.", fix=meant(name, branches))
    return branches[name]


def _revision(reader: Reader, project: str, ref: str) -> Revision:
    """The revision of this commit, beginning of a commit, or branch. Raises NotFound or InvalidValue."""
    branches = {branch.name: branch.commit for branch in reader.find(Branch, project=project)}
    commit = branches.get(ref, ref)
    found = [
        revision
        for revision in reader.find(Revision, project=project)
        if len(commit) >= SHORTEST and revision.commit.startswith(commit)
    ]
    if not found:
        raise NotFound(
            what=f"{project} has no revision {ref!r}",
            expected="a branch, a commit that was pushed, or the beginning of one",
            fix=meant(ref, branches),
        )
    if len(found) > 1:
        raise InvalidValue(
            what=f"{ref!r} is the beginning of several commits",
            expected="more digits",
            found=", ".join(r.commit[:SHOWN] for r in found),
        )
    return found[0]
