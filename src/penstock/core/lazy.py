"""Public names that are imported when they are first used, so that a package costs nothing to import."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping


def lazy(package: str, places: Mapping[str, str]) -> Callable[[str], object]:
    """A module-level `__getattr__` for `package` that finds each name in `places` in its module.

    Its use stands in the `else` of `if TYPE_CHECKING:`, so that type checkers see the real imports.
    """

    def find(name: str) -> object:
        if name not in places:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        found: object = getattr(importlib.import_module(places[name]), name)
        setattr(sys.modules[package], name, found)
        return found

    return find
