"""Bare repositories in a folder: what is in them, whoever put it there."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from penstock.adapters.forges.git import git
from penstock.adapters.forges.tree import write_tree
from penstock.core.errors import NotFound
from penstock.revisions.names import check_name
from penstock.revisions.types import Head

_Stamp = tuple[tuple[str, int, int], ...]
_COMMIT = re.compile(r"[0-9a-f]{40}")
_FIELDS = (
    ("refname:strip=2", ""),
    ("objectname", "%H"),
    ("authorname) %(authoremail", "%an <%ae>"),
    ("contents:subject", "%s"),
    ("parent", "%P"),
)
_REFS = "%00".join(f"%({of_ref})" for of_ref, _ in _FIELDS)
_LOG = "%x00".join(of_commit for _, of_commit in _FIELDS)
MOST = 100
"""Commits of one move of a branch that are told of at most: the newest."""


class BareRepositories:
    """Reads repositories in `folder`/<project>.git."""

    def __init__(self, folder: Path) -> None:
        """`folder` need not be there yet."""
        self._folder = folder
        self._heads: dict[str, tuple[_Stamp, Sequence[Head]]] = {}

    def heads(self, project: str) -> Sequence[Head]:
        """See `Forge.heads`. Git is asked only when the files of its references have changed."""
        repository = self._repository(project)
        stamp = _stamp(repository)
        known = self._heads.get(project)
        if known is None or known[0] != stamp:
            _, lines = git(repository, "for-each-ref", f"--format={_REFS}", "refs/heads")
            known = stamp, [_head(line) for line in lines.decode(errors="replace").split("\n") if line]
            self._heads[project] = known
        return known[1]

    def between(self, project: str, before: str, after: str) -> Sequence[Head]:
        """See `Forge.between`."""
        repository = self._repository(project)
        for commit in (before, after):
            if not self._has(repository, commit):
                return []
        span = (f"--max-count={MOST + 1}", "--first-parent", "--reverse", after, f"^{before}")
        _, lines = git(repository, "log", f"--format={_LOG}", *span)
        found = [_head(line) for line in lines.decode(errors="replace").split("\n") if line]
        return [head for head in found if head.commit != after]

    def changed(self, project: str, before: str, after: str) -> Sequence[str]:
        """See `Forge.changed`."""
        repository = self._repository(project)
        for commit in (before, after):
            self._require(repository, commit)
        _, said = git(repository, "diff-tree", "-r", "-z", "--name-only", "--no-renames", before, after)
        return [path for path in said.decode(errors="replace").split("\0") if path]

    def read(self, project: str, commit: str, path: str) -> bytes:
        """See `Forge.read`."""
        repository = self._repository(project)
        self._require(repository, commit)
        status, data = git(repository, "cat-file", "blob", f"{commit}:{path}", accept=(0, 128))
        if status != 0:
            raise NotFound(what=f"The commit {commit[:10]} of {project} has no file {path}.")
        return data

    def checkout(self, project: str, commit: str, folder: str) -> None:
        """See `Forge.checkout`."""
        repository = self._repository(project)
        self._require(repository, commit)
        write_tree(repository, commit, Path(folder))

    def _place(self, project: str) -> Path:
        return self._folder / f"{check_name(project, 'project')}.git"

    def _repository(self, project: str) -> Path:
        place = self._place(project)
        if not place.is_dir():
            raise NotFound(
                what=f"There is no repository of {project}.", fix="Connect it with: penstock connect."
            )
        return place

    def _has(self, repository: Path, commit: str) -> bool:
        if not _COMMIT.fullmatch(commit):
            return False
        status, _ = git(repository, "cat-file", "-e", f"{commit}^{{commit}}", accept=(0, 1, 128))
        return status == 0

    def _require(self, repository: Path, commit: str) -> None:
        if not self._has(repository, commit):
            raise NotFound(what=f"{repository.stem} has no commit {commit!r}.", fix="Push it first.")


def _head(line: str) -> Head:
    branch, commit, author, message, parents = line.split("\0")
    return Head(branch=branch, commit=commit, author=author, message=message, parents=tuple(parents.split()))


def _stamp(repository: Path) -> _Stamp:
    """What changes whenever a reference does: git replaces each file of them by renaming."""
    stamps = []
    for place in (repository / "packed-refs", *sorted((repository / "refs" / "heads").rglob("*"))):
        with suppress(FileNotFoundError):  # a lock that git holds for a moment
            found = place.stat()
            stamps.append((str(place), found.st_ino, found.st_mtime_ns))
    return tuple(stamps)
