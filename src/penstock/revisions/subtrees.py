"""Several projects in one repository: which of its files a project is made of."""

from __future__ import annotations

import posixpath
import tomllib
from collections.abc import Callable, Iterable
from typing import Any

from penstock.core.errors import NotFound
from penstock.revisions.config import ProjectConfig

WHOLE = ""
"""The subtree that is the whole repository."""


def touches(paths: Iterable[str], subtrees: Iterable[str]) -> bool:
    """Whether any of the paths lies in any of the subtrees."""
    roots = tuple(subtrees)
    return any(root in {WHOLE, path} or path.startswith(f"{root}/") for path in paths for root in roots)


def subtrees(folder: str, config: ProjectConfig, read: Callable[[str], bytes]) -> set[str]:
    """The folders and files that a project is made of: its own, what it declares, and uv's path sources.

    `read` gives a file of the commit and raises NotFound. Path sources are followed through those that
    they have themselves; a source that is a member of a uv workspace stands for the whole repository.
    """
    found = {folder, *config.depends}
    waiting = [folder]
    while waiting:
        place = waiting.pop()
        for source in _sources(place, read):
            if "workspace" in source:
                return {WHOLE}
            if isinstance(path := source.get("path"), str):
                near = posixpath.normpath(posixpath.join(place, path))
                if near not in found and not near.startswith(".."):
                    found.add(near)
                    waiting.append(near)
    return found


def _sources(folder: str, read: Callable[[str], bytes]) -> list[dict[str, Any]]:
    try:
        project = tomllib.loads(read(posixpath.join(folder, "pyproject.toml")).decode())
    except (NotFound, ValueError):
        return []
    sources = project.get("tool", {}).get("uv", {}).get("sources", {})
    listed = [each if isinstance(each, list) else [each] for each in sources.values()]
    return [source for each in listed for source in each if isinstance(source, dict)]
