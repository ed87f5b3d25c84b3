"""What a project takes from a `uv.lock`: its own, or that of the uv workspace whose member it is."""

from __future__ import annotations

import posixpath
import tomllib
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from penstock.core.digests import digest_value
from penstock.core.errors import NotFound

LOCK, PROJECT = "uv.lock", "pyproject.toml"
Read = Callable[[str], bytes]
"""Gives a file of a commit by its path from the root of the repository; raises NotFound."""
Entry = dict[str, Any]
"""What a lock says of one package."""
_FOLDERS = ("editable", "directory", "virtual")
"""Kinds of sources that are folders, which a lock does not pin."""


class Locked:
    """The part of a lock that is for the project in a `folder` of a repository.

    `root` is the folder of the lock. As uv has it, members of a workspace share the lock at its root; what is
    no member has its own. Where the lock is missing, or none that uv wrote, there are no `packages`.
    """

    def __init__(self, folder: str, read: Read) -> None:
        self._folder = folder
        self._read = read

    @cached_property
    def root(self) -> str:
        """The folder of the lock, empty for that of the repository."""
        above = self._folder
        while above:
            above = posixpath.dirname(above)
            place = _seen_from(above, self._folder)
            if "workspace" in self._settings(above) and place in map(place_of, self._listed(above)):
                return above
        return self._folder

    @cached_property
    def packages(self) -> list[Entry]:
        """What the lock says of the project and of the packages that it needs, also for its development.

        Of all packages where the lock does not know the project.
        """
        listed = self._listed(self.root)
        start = next((entry for entry in listed if place_of(entry) == self._place), None)
        return _needed(listed, start) if start else listed

    @property
    def beside(self) -> list[str]:
        """The folders of the repository, other than its own, from which the project takes packages."""
        places = [place for entry in self.packages if (place := place_of(entry)) not in {"", self._place}]
        return [posixpath.normpath(posixpath.join(self.root, place)) for place in places]

    @property
    def digest(self) -> str:
        """What the project takes from here, without its own version and without what only others need."""
        packages = [
            {key: value for key, value in entry.items() if key != "version" or place_of(entry) != self._place}
            for entry in self.packages
        ]
        told = [self._settings(folder) for folder in dict.fromkeys((self.root, self._folder))]
        told = [{name: each for name, each in one.items() if name != "workspace"} for one in told]
        return digest_value([packages, told])

    @property
    def _place(self) -> str:
        return _seen_from(self.root, self._folder)

    def _listed(self, root: str) -> list[Entry]:
        found = self._toml(posixpath.join(root, LOCK)).get("package", [])
        entries = [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []
        return entries if all(isinstance(entry.get("source", {}), dict) for entry in entries) else []

    def _settings(self, folder: str) -> dict[str, Any]:
        """What a folder's `pyproject.toml` tells uv."""
        tool = self._toml(posixpath.join(folder, PROJECT)).get("tool", {})
        found = tool.get("uv", {}) if isinstance(tool, dict) else {}
        return found if isinstance(found, dict) else {}

    def _toml(self, path: str) -> dict[str, Any]:
        try:
            return tomllib.loads(self._read(path).decode())
        except (NotFound, ValueError):
            return {}


def place_of(entry: Entry) -> str:
    """The folder that a package is taken from, seen from that of the lock; empty for one from an index."""
    source = entry.get("source", {})
    return next((posixpath.normpath(str(source[kind])) for kind in _FOLDERS if kind in source), "")


def _seen_from(root: str, folder: str) -> str:
    return posixpath.relpath(folder or ".", root or ".")


def _needed(listed: Sequence[Entry], start: Entry) -> list[Entry]:
    named: dict[Any, list[Entry]] = {}
    for entry in listed:
        named.setdefault(entry.get("name"), []).append(entry)
    groups = start.get("dev-dependencies", {}).values()
    waiting = [*start.get("dependencies", []), *(each for group in groups for each in group)]
    found, seen = {id(start)}, set()
    while waiting:
        asked = waiting.pop()
        name, extras = asked.get("name"), tuple(asked.get("extra", ()))
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        for entry in named.get(name, []):
            found.add(id(entry))
            waiting += entry.get("dependencies", [])
            for extra in extras:
                waiting += entry.get("optional-dependencies", {}).get(extra, [])
    return [entry for entry in listed if id(entry) in found]
