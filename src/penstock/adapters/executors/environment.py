"""The packages of the environment that this program runs in."""

from __future__ import annotations

import platform
import sys
from pathlib import Path


def python_version() -> str:
    """The version of Python, and the system that it runs on."""
    return f"{platform.python_version()} on {platform.system()} {platform.machine()}"


def packages() -> dict[str, str]:
    """The installed packages with their versions, by name.

    Names and versions are read from the names of their folders, which the standard of installed packages
    fixes: `importlib.metadata` opens every package's file for the same, fifty times as slowly.
    """
    found: dict[str, str] = {}
    for place in sys.path:
        for folder in Path(place or ".").glob("*.dist-info"):
            name, _, version = folder.name.removesuffix(".dist-info").partition("-")
            found.setdefault(name.lower().replace("_", "-"), version)
    return dict(sorted(found.items()))
