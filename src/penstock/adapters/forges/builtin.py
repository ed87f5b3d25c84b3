"""The built-in git host: bare repositories in a folder, pushed to by path or over HTTP."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from penstock.adapters.forges.git import git
from penstock.core.errors import Conflict, NotFound
from penstock.revisions.names import check_name
from penstock.revisions.types import Head

_Stamp = tuple[tuple[str, int, int], ...]
_COMMIT = re.compile(r"[0-9a-f]{40}")
_NOWHERE = "0" * 40
_HEAD = "%(refname:strip=2)%00%(objectname)%00%(authorname) %(authoremail)%00%(contents:subject)"
_SETTINGS = {
    "core.hooksPath": "hooks",  # a person who pushes by path may have set another for all repositories
    "gc.autoDetach": "false",
    "http.receivepack": "true",
    "http.uploadpack": "true",
}
_HOOK = """\
#!/bin/sh
# Git runs this for every branch that a push would move; merges by Penstock do not come this way.
if [ "$1" = "refs/heads/{protected}" ]; then
    echo "{protected} is protected; push to dev, then penstock approve and penstock merge dev" >&2
    exit 1
fi
"""


class BuiltinForge:
    """A `revisions.ports.Forge` on `folder`/<project>.git."""

    def __init__(self, folder: Path) -> None:
        """`folder` need not be there yet."""
        self._folder = folder
        self._heads: dict[str, tuple[_Stamp, Sequence[Head]]] = {}

    def create(self, project: str, *, protected: str) -> str:
        """See `Forge.create`. The repository is complete or not there at all."""
        place = self._folder / f"{check_name(project, 'project')}.git"
        if not place.exists():
            self._folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self._folder, prefix=".new-") as scratch:
                new = Path(scratch, "new.git")
                git(
                    new, "init", "--quiet", "--bare", "--template=", f"--initial-branch={protected}", str(new)
                )
                for key, value in _SETTINGS.items():
                    git(new, "config", key, value)
                hook = new / "hooks" / "update"
                hook.parent.mkdir()
                hook.write_text(_HOOK.format(protected=protected))
                hook.chmod(0o755)
                new.rename(place)
        return str(place)

    def heads(self, project: str) -> Sequence[Head]:
        """See `Forge.heads`. Git is asked only when the files of its references have changed."""
        repository = self._repository(project)
        stamp = _stamp(repository)
        known = self._heads.get(project)
        if known is None or known[0] != stamp:
            _, lines = git(repository, "for-each-ref", f"--format={_HEAD}", "refs/heads")
            fields = (line.split("\0") for line in lines.decode(errors="replace").split("\n") if line)
            known = stamp, [Head(branch=b, commit=c, author=a, message=m) for b, c, a, m in fields]
            self._heads[project] = known
        return known[1]

    def merge(self, project: str, *, commit: str, into: str, actor: str, message: str) -> str:
        """See `Forge.merge`."""
        repository = self._repository(project)
        self._require(repository, commit)
        found, line = git(repository, "rev-parse", "--verify", "--quiet", f"refs/heads/{into}", accept=(0, 1))
        tip = line.decode().strip() if found == 0 else _NOWHERE
        if tip != _NOWHERE and _holds(repository, tip, commit):
            return tip
        new = commit
        if tip != _NOWHERE and not _holds(repository, commit, tip):
            tree = _merged_tree(repository, tip, commit, into)
            who = {"NAME": actor, "EMAIL": ""}
            signed = {f"GIT_{role}_{k}": v for role in ("AUTHOR", "COMMITTER") for k, v in who.items()}
            _, line = git(
                repository, "commit-tree", tree, "-p", tip, "-p", commit, "-m", message, also=signed
            )
            new = line.decode().strip()
        moved, _ = git(
            repository, "update-ref", f"refs/heads/{into}", new, tip, accept=(0, 128)
        )  # only if it still stands at the tip that was merged
        if moved != 0:
            raise Conflict(what=f"{into} moved while {commit[:10]} was being merged.", fix="Merge again.")
        return new

    def read(self, project: str, commit: str, path: str) -> bytes:
        """See `Forge.read`."""
        repository = self._repository(project)
        self._require(repository, commit)
        status, data = git(repository, "cat-file", "blob", f"{commit}:{path}", accept=(0, 128))
        if status != 0:
            raise NotFound(what=f"The commit {commit[:10]} of {project} has no file {path}.")
        return data

    def checkout(self, project: str, commit: str, folder: str) -> None:
        """See `Forge.checkout`. Unlike `git archive`, no attribute of the tree leaves a file out."""
        repository = self._repository(project)
        self._require(repository, commit)
        with tempfile.TemporaryDirectory(prefix="penstock-index-") as scratch:
            index = {
                "GIT_INDEX_FILE": str(Path(scratch, "index")),
                "GIT_WORK_TREE": str(Path(folder).resolve()),
            }
            git(repository, "read-tree", commit, also=index)
            git(
                repository,
                "checkout-index",
                "--all",
                "--force",
                f"--prefix={Path(folder).resolve()}/",
                also=index,
            )

    def _repository(self, project: str) -> Path:
        place = self._folder / f"{check_name(project, 'project')}.git"
        if not place.is_dir():
            raise NotFound(
                what=f"There is no repository of {project}.", fix="Connect it with: penstock connect."
            )
        return place

    def _require(self, repository: Path, commit: str) -> None:
        known = _COMMIT.fullmatch(commit) and git(
            repository, "cat-file", "-e", f"{commit}^{{commit}}", accept=(0, 1, 128)
        )
        if not known or known[0] != 0:
            raise NotFound(what=f"{repository.stem} has no commit {commit!r}.", fix="Push it first.")


def _stamp(repository: Path) -> _Stamp:
    """What changes whenever a reference does: git replaces each file of them by renaming."""
    stamps = []
    for place in (repository / "packed-refs", *sorted((repository / "refs" / "heads").rglob("*"))):
        with suppress(FileNotFoundError):  # a lock that git holds for a moment
            found = place.stat()
            stamps.append((str(place), found.st_ino, found.st_mtime_ns))
    return tuple(stamps)


def _holds(repository: Path, commit: str, ancestor: str) -> bool:
    return git(repository, "merge-base", "--is-ancestor", ancestor, commit, accept=(0, 1))[0] == 0


def _merged_tree(repository: Path, tip: str, commit: str, into: str) -> str:
    if git(repository, "merge-base", tip, commit, accept=(0, 1))[0] != 0:
        raise Conflict(
            what=f"{commit[:10]} and {into} have no common history.", fix=f"Start the branch from {into}."
        )
    status, said = git(
        repository,
        "merge-tree",
        "--write-tree",
        "-z",
        "--name-only",
        "--no-messages",
        tip,
        commit,
        accept=(0, 1),
    )
    tree, *files = said.decode(errors="replace").rstrip("\0").split("\0")
    if status != 0:
        raise Conflict(
            what=f"{commit[:10]} does not merge into {into}",
            found=f"changes on both sides in {', '.join(files)}",
            fix=f"Merge {into} into your branch, settle them, and push again.",
        )
    return tree
