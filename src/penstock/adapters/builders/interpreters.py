"""The Python that a project asks for: the one that runs here where it fits, else one that uv has or gets."""

from __future__ import annotations

import platform
import re
import sys
import tempfile
import tomllib
from pathlib import Path

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from penstock.adapters.builders.checkouts import Checkout
from penstock.adapters.builders.packages import Packages
from penstock.core.errors import InvalidProject, Unavailable
from penstock.revisions.locks import PROJECT

PINNED = ".python-version"
_VERSION = re.compile(r"[\w.+@-]+")


def asked(checkout: Checkout) -> str:
    """What a project asks for, as uv understands it; empty where the Python that runs here fits.

    `.python-version` says it where there is one, in its folder or that of its lock, else `requires-python`.
    Raises InvalidProject.
    """
    here = platform.python_version()
    pinned = _first_line(checkout.folder / PINNED) or _first_line(checkout.root / PINNED)
    if pinned:
        if not _VERSION.fullmatch(pinned):  # a path would be started
            raise InvalidProject(
                what=f"{PINNED} names no version", expected="such as 3.12", found=repr(pinned)
            )
        return "" if f"{here}.".startswith(f"{pinned}.") else pinned
    wanted = (
        tomllib.loads((checkout.folder / PROJECT).read_text()).get("project", {}).get("requires-python", "")
    )
    try:
        fits = SpecifierSet(wanted).contains(here, prereleases=True)
    except InvalidSpecifier as error:
        raise InvalidProject(
            what=f"requires-python in {PROJECT} is no version specifier",
            expected='such as ">=3.11"',
            found=repr(wanted),
        ) from error
    return "" if fits else str(wanted)


def interpreter(checkout: Checkout, packages: Packages) -> str:
    """The program of the Python that a project asks for. Raises InvalidProject or Unavailable."""
    wanted = asked(checkout)
    if not wanted:
        return sys.executable
    here = platform.python_version()
    failed = f"The project asks for Python {wanted}; here runs {here}, and no other is to be had"
    with tempfile.TemporaryDirectory() as scratch:
        said = Path(scratch, "said")

        def uv(*arguments: str) -> None:
            packages.run(["python", *arguments], folder=Path(scratch), log=said, failed=failed)

        find = ("find", "--no-project", wanted)
        try:
            uv(*find)
        except (InvalidProject, Unavailable):
            uv("install", wanted)
            uv(*find)
        return said.read_text(errors="replace").splitlines()[-1]


def _first_line(file: Path) -> str:
    lines = file.read_text(errors="replace").split() if file.is_file() else []
    return lines[0] if lines else ""
