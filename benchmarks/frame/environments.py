"""An environment of its own for each tool, made with uv and kept under `benchmarks/.envs`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

from uv import find_uv_bin

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENTS = ROOT / "benchmarks" / ".envs"
MINUTES = 15 * 60
VERSION = "import sys, importlib.metadata as m; print(m.version(sys.argv[1]))"


class Failed(Exception):
    """A tool that could not be installed or run; the message says why."""


class Environment:
    """A virtual environment by its name."""

    def __init__(self, name: str) -> None:
        self.bin = ENVIRONMENTS / name / "bin"
        self.python = str(self.bin / "python")

    def program(self, name: str) -> str:
        """A program that was installed into it."""
        return str(self.bin / name)

    def version(self, package: str) -> str:
        """The installed version of a package."""
        return _done(self.python, "-c", VERSION, package).strip()


@cache
def environment(name: str, *requirements: str) -> Environment:
    """The environment with these requirements, made if it is not there. Raises Failed."""
    made = Environment(name)
    note = ENVIRONMENTS / name / "requirements"
    wanted = "\n".join((sys.version, *requirements))
    if not note.exists() or note.read_text(encoding="utf-8") != wanted:
        uv = find_uv_bin()
        _done(uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(ENVIRONMENTS / name))
        _done(uv, "pip", "install", "--quiet", "--python", made.python, *requirements)
        note.write_text(wanted, encoding="utf-8")
    return made


def version_of(package: str, make: Callable[[], Environment]) -> str:
    """The version of a tool, empty where it could not be installed."""
    try:
        return make().version(package)
    except Failed:
        return ""


@cache
def this_tree(name: str, penstock: str, *more: str) -> Environment:
    """An environment with this tree's Penstock, as the requirement asks for it, installed anew."""
    made = environment(name, penstock, *more)
    again = ("--reinstall-package", "penstock", penstock)
    _done(find_uv_bin(), "pip", "install", "--quiet", "--python", made.python, *again)
    return made


def penstock() -> Environment:
    """An environment with this tree's Penstock, as a user would install it."""
    return this_tree("penstock", str(ROOT))


def _done(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=MINUTES, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Failed(str(error)) from error
    if done.returncode:
        raise Failed(" ".join(done.stderr.split())[-400:] or f"{command[0]} ended with {done.returncode}")
    return done.stdout
