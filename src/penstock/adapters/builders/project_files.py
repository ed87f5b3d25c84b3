"""What a checkout must hold to be built, checked before anything of it is run."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from penstock.core.errors import InvalidProject
from penstock.revisions.config import ProjectConfig, parse_config

CONFIG, PROJECT, LOCK = "penstock.toml", "pyproject.toml", "uv.lock"
_MISSING = {
    PROJECT: "which makes the folder a Python package; penstock new shows one",
    CONFIG: "which says where the project is delivered; penstock new shows one",
    LOCK: "which pins its dependencies; write it with `uv lock` and commit it",
}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def check_files(folder: Path, project: str) -> ProjectConfig:
    """Check the files of the project `project` in a clean checkout; gives its configuration.

    Raises InvalidProject with one sentence for each thing that is missing.
    """
    if not any(folder.iterdir()):
        raise InvalidProject(what="The commit is empty.", fix="Commit the project's files with `git add`.")
    missing = [
        f"The commit has no {name}, {why}." for name, why in _MISSING.items() if not (folder / name).is_file()
    ]
    if missing:
        raise InvalidProject(what=" ".join(missing))
    config = parse_config((folder / CONFIG).read_text(errors="replace"))
    if config.name != project:
        raise InvalidProject(
            what=f"{CONFIG} is that of another project", expected=repr(project), found=repr(config.name)
        )
    _check_lock(folder)
    return config


def _check_lock(folder: Path) -> None:
    """Refuse a lock that was not written for this `pyproject.toml`, or that cannot run tests."""
    declared = _toml(folder / PROJECT)
    locked = {normal(str(package.get("name"))) for package in _toml(folder / LOCK).get("package", [])}
    wanted = [normal(match[0]) for text in _requirements(declared) if (match := _NAME.match(text))]
    unknown = [name for name in wanted if name not in locked and name != "penstock"]
    if unknown:
        raise InvalidProject(
            what=f"{LOCK} is older than {PROJECT}: it does not hold {', '.join(unknown)}.",
            fix="Write it again with `uv lock` and commit it.",
        )
    if "pytest" not in locked:
        raise InvalidProject(
            what=f"The tests cannot be run: {LOCK} does not hold pytest.",
            fix="Add it with `uv add --dev pytest` and commit what changed.",
        )


def _requirements(declared: dict[str, Any]) -> list[str]:
    groups = declared.get("dependency-groups", {}).values()
    texts = [
        *declared.get("project", {}).get("dependencies", []),
        *(text for group in groups for text in group),
    ]
    return [text for text in texts if isinstance(text, str)]


def normal(name: str) -> str:
    """A package's name in its one normal form (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(errors="replace"))
    except tomllib.TOMLDecodeError as error:
        raise InvalidProject(what=f"{file.name} is not a TOML document: {error}") from error
