"""Notices when code that a worker has imported is changed on disk."""

from __future__ import annotations

import importlib
import linecache
import os
import sys
from pathlib import Path

Stamp = tuple[int, int]


class Imported:
    """The project's modules that this process has imported, as their files were then.

    A warm worker must not run old code under the digest of the new.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._inside = f"{folder}/"
        self._environment = f"{sys.prefix}/"
        self._known = 0
        self._stamps: dict[str, Stamp | None] = {}

    def note(self) -> None:
        """Remember the modules that were imported since the last call."""
        if len(sys.modules) == self._known:
            return
        self._known = len(sys.modules)
        for module in list(sys.modules.values()):
            file = getattr(module, "__file__", None) or ""
            if file.startswith(self._inside) and not file.startswith(self._environment):
                self._stamps.setdefault(file, _stamp(file))

    def changed(self) -> bool:
        """Whether any of their files is not what it was."""
        return any(_stamp(file) != stamp for file, stamp in self._stamps.items())

    def forget(self) -> None:
        """Have them imported anew when they are next asked for."""
        for name, module in list(sys.modules.items()):
            if getattr(module, "__file__", None) in self._stamps:
                del sys.modules[name]
        self._stamps.clear()
        self._known = 0
        importlib.invalidate_caches()
        linecache.checkcache()


def _stamp(file: str) -> Stamp | None:
    try:
        found = os.stat(file)  # noqa: PTH116 - asked before each step
    except FileNotFoundError:
        return None
    return found.st_mtime_ns, found.st_size
