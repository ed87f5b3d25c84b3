"""Writes the template into a new folder, locks its dependencies and commits it."""

from __future__ import annotations

import keyword
import shutil
import subprocess
import sys
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template

from uv import find_uv_bin

from penstock.cli.git import git
from penstock.core.errors import Conflict, InvalidValue, Unavailable
from penstock.revisions.names import check_name

SUFFIX = ".tmpl"
TAKEN = frozenset({"penstock", "polars", "sklearn", "skl2onnx", "onnx", "numpy", "pytest", "tests", "data"})
"""Names of packages that the project itself imports."""


def make_project(name: str, where: Path) -> Path:
    """Make the folder `where/name`; gives it. Leaves nothing behind when it fails.

    Raises InvalidValue for a name that cannot be a project's and a Python package's,
    Conflict for a folder that is already there, Unavailable when dependencies cannot be locked.
    """
    package = package_name(name)
    folder = where / name
    if folder.exists():
        raise Conflict(
            what=f"{folder} is already there.", fix="Choose another name, or another folder to be in."
        )
    try:
        write(resources.files("penstock.cli.new") / "template", folder, {"name": name, "package": package})
        lock(folder)
        commit(folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder


def package_name(name: str) -> str:
    """The Python package of a project: its name with `_` for `-`. Raises InvalidValue."""
    package = check_name(name, "project").replace("-", "_")
    if keyword.iskeyword(package) or package in sys.stdlib_module_names or package in TAKEN:
        raise InvalidValue(
            what=f"{name!r} cannot be the name of a project's package",
            expected="a name that no module of Python and no dependency has",
            found=repr(package),
            fix="Choose another, such as my_" + package + ".",
        )
    return package


def write(template: Traversable, folder: Path, words: dict[str, str]) -> None:
    """Write the template's files, with `$name` and `$package` filled in."""
    folder.mkdir()
    for entry in template.iterdir():
        if entry.is_dir():
            write(entry, folder / (words["package"] if entry.name == "package" else entry.name), words)
        elif entry.name.endswith(SUFFIX):
            target = entry.name.removesuffix(SUFFIX).replace("gitignore", ".gitignore")
            text = Template(entry.read_text(encoding="utf-8")).substitute(words)
            (folder / target).write_text(text, encoding="utf-8")


def lock(folder: Path) -> None:
    """Write `uv.lock`. Raises Unavailable with uv's own words."""
    command = [find_uv_bin(), "lock", "--python", sys.executable]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unavailable(
            what=f"The project's dependencies cannot be locked: {done.stderr.strip()}",
            fix="Look whether the package index can be reached.",
        )


def commit(folder: Path) -> None:
    """Make a repository with one commit on the branch `dev`; who has told git no name is "penstock new"."""
    git(folder, "init", "--initial-branch", "dev")
    git(folder, "add", ".")
    known = subprocess.run(
        ["git", "config", "user.email"], cwd=folder, capture_output=True, check=False
    ).stdout
    author = (
        () if known.strip() else ("-c", "user.name=penstock new", "-c", "user.email=new@penstock.invalid")
    )
    git(folder, *author, "commit", "--message", "A new project, made by penstock new")
