"""Several projects in one repository: which of its files a project is made of."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable

from penstock.revisions.config import ProjectConfig
from penstock.revisions.locks import LOCK, PROJECT, Locked

WHOLE = ""
"""The subtree that is the whole repository."""


def touches(paths: Iterable[str], subtrees: Iterable[str]) -> bool:
    """Whether any of the paths lies in any of the subtrees."""
    roots = tuple(subtrees)
    return any(root in {WHOLE, path} or path.startswith(f"{root}/") for path in paths for root in roots)


def subtrees(folder: str, config: ProjectConfig, locked: Locked) -> set[str]:
    """The folders and files that a project is made of: its own, what it declares, and those of its lock.

    The lock tells of packages that are taken from folders, and what these need in turn. Without a lock it
    is the whole repository: nobody knows.
    """
    if not locked.packages:
        return {WHOLE}
    return {folder, *config.depends, *(near for near in locked.beside if not near.startswith(".."))}


def around(paths: Iterable[str], folder: str) -> bool:
    """Whether any of the paths is a file that members of a workspace share, above the folder of one."""
    above = {posixpath.dirname(path) for path in paths if posixpath.basename(path) in {LOCK, PROJECT}}
    return any(not place or folder.startswith(f"{place}/") for place in above)
