"""The virtual environments of releases, each made once from a lock and named by what it is made of."""

from __future__ import annotations

import shutil
import sys
import sysconfig
import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from penstock.adapters.builders.checkouts import Checkout
from penstock.adapters.builders.interpreters import interpreter
from penstock.adapters.builders.own_wheel import own_wheel
from penstock.adapters.builders.packages import Packages
from penstock.adapters.builders.project_files import normal
from penstock.core.digests import digest_bytes, digest_value
from penstock.revisions.locks import LOCK

PYTHON = Path("bin", "python")


class Wanted(NamedTuple):
    """An environment of a checkout, on a Python; where its making is logged, who hears of it."""

    checkout: Checkout
    base: str
    log: Path
    tell: Callable[[str], None]


class Environments:
    """Virtual environments in `folder`/<digest>; one that is there is complete."""

    def __init__(self, folder: Path, packages: Packages) -> None:
        self._folder = folder
        self._packages = packages
        self._making = threading.Lock()

    def digest(self, checkout: Checkout) -> str:
        """The name of the environment that a checkout asks for: its lock, our wheel, its Python.

        Raises InvalidProject when that Python is not to be had.
        """
        return _digest(checkout, interpreter(checkout, self._packages))

    def folder(self, digest: str) -> Path:
        """The folder of an environment, whether it is there or not."""
        return self._folder / digest

    def python(self, digest: str) -> Path:
        """The Python program of an environment, whether it is there or not."""
        return self.folder(digest) / PYTHON

    def make(self, checkout: Checkout, log: Path, tell: Callable[[str], None], name: str = "") -> str:
        """Make the environment of a checkout unless it is there; gives its digest, or the `name` that it is
        to have instead.

        It is made beside its place and then moved there, so that a crash leaves no half of it.
        `tell` hears what is being done. Raises InvalidProject when uv cannot install what is locked.
        """
        python = interpreter(checkout, self._packages)
        digest = name or _digest(checkout, python)
        if self.python(digest).exists():
            return digest
        with self._making:
            if not self.python(digest).exists():
                self._make(digest, Wanted(checkout, python, log, tell))
        return digest

    def _make(self, digest: str, wanted: Wanted) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        for stale in self._folder.glob(".new-*"):  # what a killed process left
            shutil.rmtree(stale, ignore_errors=True)
        with tempfile.TemporaryDirectory(dir=self._folder, prefix=".new-") as scratch:
            place = self._install(wanted, Path(scratch))
            shutil.rmtree(self._folder / digest, ignore_errors=True)
            place.rename(self._folder / digest)

    def _install(self, wanted: Wanted, scratch: Path) -> Path:
        checkout, base, log, tell = wanted
        within = scratch / "made"
        within.mkdir()
        scratch.chmod(0o755)
        place = within / "venv"
        real = Path(base).resolve()  # where only that and its prefix can be seen
        wheel = self._wheel()
        reads = (scratch, wheel.parent, real.parent.parent)
        failed = f"The environment cannot be made from {LOCK}"

        def uv(*arguments: str) -> None:
            self._packages.run(
                arguments,
                folder=checkout.folder,
                log=log,
                failed=failed,
                also={"UV_PROJECT_ENVIRONMENT": str(place)},
                within=within,
                writes=(checkout.tree,),
                reads=reads,
            )

        tell("environment: installing what is locked")
        uv("venv", "--relocatable", "--python", str(real), str(place))
        left_out = ["--no-install-project", "--no-install-package", "penstock", "--no-editable"]
        uv("sync", "--frozen", *left_out, "--python", str(real))
        tell("environment: installing Penstock")
        constraints = scratch / "constraints.txt"
        constraints.write_text("\n".join([*constrained(held(place)), ""]))
        self._packages.install(
            ["--constraints", str(constraints), str(wheel)],
            python=place / PYTHON,
            folder=checkout.folder,
            scratch=scratch,
            log=log,
            failed=failed,
            within=within,
            reads=reads,
        )
        return place

    def _wheel(self) -> Path:
        """The running Penstock as a wheel that stays in its place, by which uv knows what it has unpacked."""
        name, data = own_wheel()
        wheels = self._folder.with_name("wheels")
        place = wheels / digest_bytes(data)
        if not (place / name).exists():
            wheels.mkdir(exist_ok=True)
            with tempfile.TemporaryDirectory(dir=wheels, prefix=".new-") as scratch:
                made = Path(scratch) / "wheel"
                made.mkdir(mode=0o755)
                (made / name).write_bytes(data)
                with suppress(OSError):  # another process was first
                    made.rename(place)
        return place / name


def _digest(checkout: Checkout, python: str) -> str:
    other = [python] if python != sys.executable else []
    return digest_value(
        {
            "needs": checkout.needs,
            "penstock": digest_bytes(own_wheel()[1]),
            "python": [sys.version, sysconfig.get_platform(), *other],
        }
    )


def held(environment: Path) -> dict[str, str]:
    """The versions of the packages in a virtual environment, by their normal names."""
    return _installed(environment.glob("lib/python*/site-packages"))


def constrained(locked: Mapping[str, str]) -> list[str]:
    """What is locked stays as it is; what only Penstock needs gets the versions that run here."""
    running = _installed(Path(place) for place in sys.path)
    pinned = {**running, **locked}
    return [f"{name}=={version}" for name, version in sorted(pinned.items()) if name != "penstock"]


def _installed(places: Iterable[Path]) -> dict[str, str]:
    """By the names of folders that the installer gives (PEP 427): to read what is in them takes long."""
    found = {}
    for described in (each for place in places for each in place.glob("*.dist-info")):
        name, _, version = described.stem.rpartition("-")
        found[normal(name)] = version
    return found
