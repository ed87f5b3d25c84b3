"""The verbs of source control: connect a project, see its commits, approve and merge them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import PurePath

from msgspec.structs import replace

from penstock.core.clock import Clock
from penstock.core.errors import Conflict, InvalidValue, NotAllowed, NotFound
from penstock.core.events import Event
from penstock.core.words import meant
from penstock.lineage.ports import Reader, Store, Transaction
from penstock.revisions.decide import SHOWN, approvals_needed, objections, same_person
from penstock.revisions.merging import MergeRequests
from penstock.revisions.names import check_folder, check_name
from penstock.revisions.ports import Forge, Host
from penstock.revisions.record import approvals_of
from penstock.revisions.seeing import Seeing
from penstock.revisions.types import Approval, Branch, Project, Revision, Upstream

SHORTEST = 4
"""Digits of a commit that name it at least."""


class Revisions:
    """Looks after the repositories of projects.

    A merge is told before it is done (`merge.asked`), and only merges move a protected branch;
    so whoever sees it moved, also after a crash, knows why and by whose approvals.
    """

    def __init__(
        self,
        store: Store,
        forge: Forge,
        clock: Clock,
        hosts: Mapping[str, Host] | None = None,
        requests: MergeRequests | None = None,
    ) -> None:
        """`hosts` are the forges outside that know who approved what, by the names of their kinds;
        `requests` merges there.
        """
        self._store = store
        self._forge = forge
        self._clock = clock
        self._requests = requests
        self._seeing = Seeing(store, forge, hosts or {})

    def connect(
        self, name: str, data_root: str, actor: str, *, repository: str = "", folder: str = ""
    ) -> Project:
        """Look after a project from now on; connecting it again moves its data root.

        `data_root` is an absolute path, `repository` a project whose repository holds this one too,
        `folder` where it lies there. Raises InvalidValue for an impossible name, path or folder.
        """
        check_name(name, "project")
        check_folder(folder)
        repository = "" if repository == name else repository
        if not PurePath(data_root).is_absolute() or "\0" in data_root:
            raise InvalidValue(
                what="This cannot be the folder of the data",
                expected="an absolute path",
                found=repr(data_root),
            )
        now = self._clock.now()
        project = Project(id=name, created=now, data_root=data_root, repository=repository, folder=folder)
        with self._store.read() as reader:
            elsewhere = reader.count(Upstream, id=name) > 0
            if repository:
                reader.get(Project, repository)
            known = reader.find(Project, id=name)
        if known and known[0].repository != repository:
            raise Conflict(
                what=f"{name} lives in the repository of {known[0].repository or name}",
                expected="the same repository as before",
                found=repository or name,
            )
        if not elsewhere:
            self._forge.create(name, protected=project.protected, within=repository)
        with self._store.begin() as tx:
            known = tx.find(Project, id=name)
            if known and replace(known[0], data_root=data_root, folder=folder) == known[0]:
                return known[0]
            if known:
                project = replace(known[0], data_root=data_root, folder=folder)
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
                    evidence={"data_root": data_root, "folder": folder},
                )
            )
        return project

    def tick(self, now: datetime) -> bool:
        """See what was pushed; True if a branch moved."""
        with self._store.read() as reader:
            projects = reader.find(Project)
        moves = [self._seeing.see(project, now, step=True) for project in projects]
        return any(moves)

    def approve(self, project: str, ref: str, actor: str) -> Approval:
        """Say yes to a revision, named by its commit, the beginning of it, or a branch.

        It counts for this commit only, and until the branch moves on; approving again changes nothing.
        Raises InvalidValue without a name, NotFound for an unknown revision, and NotAllowed for its author
        and for a project that is reviewed at its forge.
        """
        if not actor.strip():
            raise InvalidValue(what="An approval needs a name", fix="Say who approves.")
        now = self._clock.now()
        self._seeing.see(self._project(project), now)
        with self._store.begin() as tx:
            elsewhere = self._seeing.elsewhere(tx, project)
            if elsewhere and elsewhere.reviews:
                raise NotAllowed(
                    what=f"{project} is reviewed at {elsewhere.upstream.web}.", fix="Approve it there."
                )
            revision = _revision(tx, project, ref)
            if same_person(actor, revision.author):
                raise NotAllowed(
                    what=f"{actor} wrote {revision.commit[:SHOWN]}, and nobody approves their own work.",
                    fix=f"Someone else does: penstock approve {revision.commit[:SHOWN]} --as NAME.",
                )
            key = f"{revision.id}:{actor}"
            given = tx.find(Approval, id=key)
            if given and given[0].withdrawn is None:
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
            if given:
                tx.put(approval)
            else:
                tx.add(approval)
            _approved_after(tx, tx.get(Project, project), approval)
        return approval

    def merge(self, project: str, branch: str, actor: str, is_green: Callable[[str], bool]) -> Branch:
        """Merge the newest commit of a branch into the protected one; gives where that then stands.

        The approvals that are needed are those that the protected branch's own `penstock.toml` asks
        for (the first merge goes by its own). `is_green(commit)` tells whether a build passed. A project that
        comes from a forge outside is merged there, by the approvals that the forge knows. Merging again
        changes nothing. Raises NotFound, NotAllowed with everything that is missing, or Conflict naming the
        files that do not merge or giving the forge's reason.
        """
        now = self._clock.now()
        home = self._project(project)
        self._seeing.see(home, now)
        with self._store.read() as reader:
            source = _branch(reader, project, branch)
            target = next(iter(reader.find(Branch, id=f"{project}:{home.protected}", deleted=None)), None)
            elsewhere = self._seeing.elsewhere(reader, project)
            approvals = approvals_of(reader, project, source.commit)
        if branch == home.protected:
            raise InvalidValue(
                what=f"{branch} cannot be merged into itself", expected="another branch", found=repr(branch)
            )
        if target and target.commit == source.commit:
            return target
        request = None
        if elsewhere and self._requests:
            request = self._requests.find(elsewhere.upstream, source, home.protected)
            approvals = request.approvals
        config = self._seeing.config(home, target.commit if target else source.commit)
        against = objections(
            source.commit,
            needed=approvals_needed(config, home.protected),
            approvals=approvals,
            green=is_green(source.commit),
            link=request.link if request else "",
        )
        if against:
            raise NotAllowed(
                what=f"{branch} ({source.commit[:SHOWN]}) cannot be merged into {home.protected} yet",
                found=" and ".join(found for found, _ in against),
                fix=" ".join(fix for _, fix in against),
            )
        self._ask(home, source, approvals, actor, now)
        if elsewhere and self._requests and request:
            self._requests.merge(elsewhere.upstream, request)
        else:
            message = f"Merge {branch} into {home.protected}\n\nApproved by: {', '.join(approvals)}"
            into = home.protected
            self._forge.merge(project, commit=source.commit, into=into, actor=actor, message=message)
        self._seeing.see(home, now)
        with self._store.read() as reader:
            return _branch(reader, project, home.protected)

    def builds_each(self, project: str, commit: str) -> bool:
        """Whether every commit of a project's branches is to be built, as this one says. Raises NotFound."""
        return self._seeing.builds_each(self._project(project), commit)

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

    def _project(self, name: str) -> Project:
        with self._store.read() as reader:
            return reader.get(Project, name)


def _approved_after(tx: Transaction, project: Project, approval: Approval) -> None:
    """Count an approval of what the protected branch holds already, moved there by someone else."""
    for branch in tx.find(Branch, id=f"{project.id}:{project.protected}", commit=approval.commit):
        tx.put(replace(branch, approvals=approvals_of(tx, project.id, branch.commit)))


def _branch(reader: Reader, project: str, name: str) -> Branch:
    branches = {branch.name: branch for branch in reader.find(Branch, project=project, deleted=None)}
    if name not in branches:
        raise NotFound(what=f"{project} has no branch {name!r}.", fix=meant(name, branches))
    return branches[name]


def _revision(reader: Reader, project: str, ref: str) -> Revision:
    """The revision of this commit, beginning of a commit, or branch. Raises NotFound or InvalidValue."""
    branches = {branch.name: branch.commit for branch in reader.find(Branch, project=project, deleted=None)}
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
