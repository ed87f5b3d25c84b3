"""A git host in memory: commits are dictionaries of files."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from penstock.core.digests import canonical
from penstock.core.errors import Conflict, NotAllowed, NotFound, Unavailable
from penstock.revisions.names import check_name
from penstock.revisions.types import Head

Files = Mapping[str, bytes]


class _Commit(msgspec.Struct, frozen=True, kw_only=True):
    files: Files
    parents: tuple[str, ...]
    author: str
    message: str


class _Repository(msgspec.Struct, kw_only=True):
    protected: str
    commits: dict[str, _Commit] = {}
    branches: dict[str, str] = {}


class FakeForge:
    """A `revisions.ports.Forge`; `push` does what a person does with git."""

    def __init__(self) -> None:
        self._repositories: dict[str, _Repository] = {}
        self.elsewhere: dict[str, FakeForge] = {}

    def push(
        self,
        project: str,
        branch: str,
        files: Files,
        *,
        author: str = "Ada <ada@example.org>",
        message: str = "Work",
    ) -> str:
        """Commit these files, and no others, on top of a branch and push it; gives the commit.

        Raises NotAllowed for the protected branch.
        """
        repository = self._repository(project)
        if branch == repository.protected:
            raise NotAllowed(what=f"{branch} is protected.")
        parents = tuple(c for c in (repository.branches.get(branch, self._main(repository)),) if c)
        commit = _Commit(files=dict(files), parents=parents, author=author, message=message)
        repository.branches[branch] = _keep(repository, commit)
        return repository.branches[branch]

    def delete(self, project: str, branch: str) -> None:
        """Delete a branch, as a person does with `git push --delete`."""
        del self._repository(project).branches[branch]

    def create(self, project: str, *, protected: str, within: str = "") -> str:
        """See `Forge.create`; the path leads nowhere."""
        new = self._repository(within) if within else _Repository(protected=protected)
        self._repositories.setdefault(check_name(project, "project"), new)
        return f"/nowhere/{project}.git"

    def fetch(self, project: str, address: str, token: str) -> None:  # noqa: ARG002 the port's signature
        """See `Forge.fetch`; an address is the name of a project in `elsewhere`, which may be down."""
        if address not in self.elsewhere:
            raise Unavailable(what=f"{address} cannot be fetched")
        self._repositories[project] = self.elsewhere[address]._repository("elsewhere")  # noqa: SLF001 its own kind

    def heads(self, project: str) -> Sequence[Head]:
        """See `Forge.heads`."""
        repository = self._repository(project)
        heads = []
        for branch, name in sorted(repository.branches.items()):
            commit = repository.commits[name]
            subject = commit.message.partition("\n")[0]
            heads.append(
                Head(
                    branch=branch, commit=name, author=commit.author, message=subject, parents=commit.parents
                )
            )
        return heads

    def between(self, project: str, before: str, after: str) -> Sequence[Head]:
        """See `Forge.between`."""
        repository = self._repository(project)
        if {before, after} - set(repository.commits):
            return []
        seen, found, name = set(_history(repository, before)), [], after
        while name not in seen:
            commit = repository.commits[name]
            subject = commit.message.partition("\n")[0]
            found.append(
                Head(branch="", commit=name, author=commit.author, message=subject, parents=commit.parents)
            )
            if not commit.parents:
                break
            name = commit.parents[0]
        return found[:0:-1]

    def changed(self, project: str, before: str, after: str) -> Sequence[str]:
        """See `Forge.changed`."""
        old, new = self._commit(project, before).files, self._commit(project, after).files
        return sorted(path for path in {*old, *new} if old.get(path) != new.get(path))

    def merge(self, project: str, *, commit: str, into: str, actor: str, message: str) -> str:
        """See `Forge.merge`; a file is in conflict when both sides changed it differently."""
        repository = self._repository(project)
        self._commit(project, commit)
        tip = repository.branches.get(into)
        ours, theirs = _history(repository, tip), _history(repository, commit)
        if tip and commit in ours:
            return tip
        if tip and tip not in theirs:
            common = next((c for c in ours if c in theirs), None)
            if common is None:
                raise Conflict(what=f"{commit[:10]} and {into} have no common history.")
            files = _merged(*(repository.commits[c].files for c in (common, tip, commit)))
            both = _Commit(files=files, parents=(tip, commit), author=actor, message=message)
            commit = _keep(repository, both)
        repository.branches[into] = commit
        return commit

    def read(self, project: str, commit: str, path: str) -> bytes:
        """See `Forge.read`."""
        files = self._commit(project, commit).files
        if path not in files:
            raise NotFound(what=f"The commit {commit[:10]} of {project} has no file {path}.")
        return files[path]

    def checkout(self, project: str, commit: str, folder: str) -> None:
        """See `Forge.checkout`."""
        for path, data in self._commit(project, commit).files.items():
            file = Path(folder, path)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)

    def _repository(self, project: str) -> _Repository:
        if project not in self._repositories:
            raise NotFound(what=f"There is no repository of {project}.")
        return self._repositories[project]

    def _commit(self, project: str, commit: str) -> _Commit:
        commits = self._repository(project).commits
        if commit not in commits:
            raise NotFound(what=f"{project} has no commit {commit!r}.")
        return commits[commit]

    @staticmethod
    def _main(repository: _Repository) -> str | None:
        return repository.branches.get(repository.protected)


def _keep(repository: _Repository, commit: _Commit) -> str:
    files = {path: hashlib.sha256(data).hexdigest() for path, data in commit.files.items()}
    fields = [files, commit.parents, commit.author, commit.message]
    name = hashlib.sha1(canonical(fields), usedforsecurity=False).hexdigest()
    repository.commits[name] = commit
    return name


def _history(repository: _Repository, commit: str | None) -> list[str]:
    """The commit and all that came before it, the nearest first."""
    history: list[str] = []
    waiting = [commit] if commit else []
    while waiting:
        name = waiting.pop(0)
        if name not in history:
            history.append(name)
            waiting.extend(repository.commits[name].parents)
    return history


def _merged(common: Files, ours: Files, theirs: Files) -> Files:
    files, clashes = {}, []
    for path in sorted({*common, *ours, *theirs}):
        before, left, right = common.get(path), ours.get(path), theirs.get(path)
        if left != right and before not in {left, right}:
            clashes.append(path)
        data = right if left == before else left
        if data is not None:
            files[path] = data
    if clashes:
        raise Conflict(what="The two do not merge", found=f"changes on both sides in {', '.join(clashes)}")
    return files
