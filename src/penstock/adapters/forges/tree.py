"""The clean tree of a commit, and what a commit may not hold if it is to be built."""

from __future__ import annotations

import tempfile
from pathlib import Path

from penstock.adapters.forges.git import git
from penstock.core.errors import InvalidProject

_LINK, _SUBMODULE = b"120000", b"160000"


def write_tree(repository: Path, commit: str, folder: Path) -> None:
    """Write the files of a commit into an empty folder; unlike `git archive`, no attribute leaves one out.

    Raises InvalidProject for a submodule, a file name that is not UTF-8, and a symbolic link that leads
    out of the folder or nowhere.
    """
    links = _links(repository, commit)
    folder = folder.resolve()
    with tempfile.TemporaryDirectory(prefix="penstock-index-") as scratch:
        index = {"GIT_INDEX_FILE": str(Path(scratch, "index")), "GIT_WORK_TREE": str(folder)}
        git(repository, "read-tree", commit, also=index)
        git(repository, "checkout-index", "--all", "--force", f"--prefix={folder}/", also=index)
    for name in links:
        _stays_inside(folder, name)


def _links(repository: Path, commit: str) -> list[str]:
    """The names of the symbolic links of a commit that can be checked out."""
    _, listed = git(repository, "ls-tree", "-r", "-z", commit)
    links = []
    for entry in filter(None, listed.split(b"\0")):
        about, _, path = entry.partition(b"\t")
        mode = about.split()[0]
        shown = path.decode(errors="backslashreplace")
        if mode == _SUBMODULE:
            raise InvalidProject(
                what=f"The commit holds the submodule {shown}, and a build fetches no other repository.",
                fix="Commit its files, or make it a dependency in pyproject.toml.",
            )
        if shown.encode() != path:
            raise InvalidProject(
                what=f"The name of the file {shown} is not UTF-8.", fix="Rename it and commit that."
            )
        if mode == _LINK:
            links.append(shown)
    return links


def _stays_inside(folder: Path, name: str) -> None:
    link = folder / name
    goal = link.readlink()
    try:
        found = link.resolve(strict=True)
    except (OSError, RuntimeError):  # a link to nothing, or to itself
        found = Path()
    if goal.is_absolute() or not found.is_relative_to(folder):
        raise InvalidProject(
            what=f"The symbolic link {name} leads out of the commit, or nowhere",
            expected="a relative path to a file of the commit",
            found=str(goal),
            fix="Commit the file itself.",
        )
