"""Imports a project's modules from their source, whatever bytecode lies beside it."""

from __future__ import annotations

import sys
from importlib.machinery import (
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    SourceFileLoader,
)
from pathlib import Path
from typing import NoReturn


class _FromSource(SourceFileLoader):
    """Python takes bytecode for fresh when length and second of the last change agree: what was changed
    twice in a second would run as it was before, under the digest of what it is.
    """

    def path_stats(self, path: str) -> NoReturn:
        raise OSError(path)


def import_from_source(root: Path) -> None:
    """Have modules in `root`, save those of the environment, compiled from their source from now on."""
    finder = FileFinder.path_hook((ExtensionFileLoader, EXTENSION_SUFFIXES), (_FromSource, SOURCE_SUFFIXES))

    def hook(path: str) -> object:
        if not Path(path).is_relative_to(root) or Path(path).is_relative_to(sys.prefix):
            raise ImportError(path)
        return finder(path)

    sys.path_hooks.insert(0, hook)  # type: ignore[arg-type]  # a finder; its protocol has no public name
    for place in [place for place in sys.path_importer_cache if Path(place).is_relative_to(root)]:
        del sys.path_importer_cache[place]
