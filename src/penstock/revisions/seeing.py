"""Seeing what was pushed: which branches moved, whether that concerns a project, and what is kept of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from threading import Lock

from msgspec.structs import replace

from penstock.core.errors import InvalidValue, NotFound
from penstock.lineage.ports import Reader, Store
from penstock.revisions.config import ProjectConfig, parse_config
from penstock.revisions.decide import SHOWN, gone, moved
from penstock.revisions.locks import Locked
from penstock.revisions.ports import Forge, Host
from penstock.revisions.record import Elsewhere, forget, record
from penstock.revisions.subtrees import around, subtrees, touches
from penstock.revisions.types import Branch, Head, Project, Upstream

CONFIG = "penstock.toml"


class Seeing:
    """Looks at the repositories of projects. May be called from many threads."""

    def __init__(self, store: Store, forge: Forge, hosts: Mapping[str, Host]) -> None:
        """`hosts` are the forges outside that know who approved what, by the names of their kinds."""
        self._store = store
        self._forge = forge
        self._hosts = hosts
        self._seeing = Lock()
        self._same: set[tuple[str, str, str]] = set()

    def see(self, project: Project, now: datetime, *, step: bool = False) -> bool:
        """Record where branches stand; with `step`, a branch whose every commit is built goes on by one."""
        with self._seeing:  # heads that were read earlier must not be recorded later
            with self._store.read() as reader:
                elsewhere = self.elsewhere(reader, project.id)
            if elsewhere and elsewhere.upstream.looked is None:
                return False
            heads = self._forge.heads(project.id)
            with self._store.read() as reader:
                known = reader.find(Branch, project=project.id, deleted=None)
            before = {branch.name: branch.commit for branch in known}
            changes, missing = moved(known, heads), gone(known, heads)
            changes = [head for head in changes if self._concerns(project, before.get(head.branch, ""), head)]
            if not changes and not missing:
                return False
            main = before.get(project.protected, "")  # where a branch that is new began
            paths = [self._path(project, head, before.get(head.branch, main), step=step) for head in changes]
            with self._store.begin() as tx:
                for head, passed in paths:
                    record(tx, project, head, now, passed=passed, elsewhere=elsewhere)
                for branch in missing:
                    forget(tx, tx.get(Branch, branch.id), now)
            return True

    def _concerns(self, project: Project, before: str, head: Head) -> bool:
        """Whether a head differs from where its branch stood in anything that the project is made of."""
        if not project.folder or not before or (project.id, before, head.commit) in self._same:
            return (project.id, before, head.commit) not in self._same
        at, was = (
            Locked(project.folder, partial(self._forge.read, project.id, commit))
            for commit in (head.commit, before)
        )
        try:
            parts = subtrees(project.folder, self.config(project, head.commit), at)
            paths = self._forge.changed(project.id, before, head.commit)
            if touches(paths, parts) or (around(paths, project.folder) and at.digest != was.digest):
                return True
        except (InvalidValue, NotFound):
            return True  # its build will say what is wrong
        self._same.add((project.id, before, head.commit))
        return False

    def _path(self, project: Project, head: Head, before: str, *, step: bool) -> tuple[Head, Sequence[Head]]:
        """Where a branch goes next, and the commits that it passes on the way there."""
        passed = self._forge.between(project.id, before, head.commit) if before else []
        if passed and step and self.builds_each(project, head.commit):
            return replace(passed[0], branch=head.branch), ()
        return head, passed

    def builds_each(self, project: Project, commit: str) -> bool:
        """Whether every commit of a project's branches is to be built, as this one says."""
        try:
            return self.config(project, commit).builds == "each"
        except (InvalidValue, NotFound):
            return False  # its build will say what is wrong

    def elsewhere(self, reader: Reader, project: str) -> Elsewhere | None:
        """The repository outside that a project comes from, if it does."""
        for upstream in reader.find(Upstream, id=project):
            host = self._hosts.get(upstream.forge)
            link = partial(host.commit_link, upstream) if host else _no_link
            return Elsewhere(upstream=upstream, link=link, reviews=host is not None)
        return None

    def config(self, project: Project, commit: str) -> ProjectConfig:
        """The `penstock.toml` of a commit. Raises NotFound and InvalidProject."""
        path = f"{project.folder}/{CONFIG}" if project.folder else CONFIG
        text = self._forge.read(project.id, commit, path).decode(errors="replace")
        return parse_config(text, f"{path} of {commit[:SHOWN]}")


def _no_link(_commit: str) -> str:
    return ""
