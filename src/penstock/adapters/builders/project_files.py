"""What a checkout must hold to be built, checked before anything of it is run."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement

from penstock.adapters.builders.checkouts import Checkout
from penstock.core.errors import InvalidProject
from penstock.revisions.config import ProjectConfig, parse_config
from penstock.revisions.locks import LOCK, PROJECT

CONFIG = "penstock.toml"
_MISSING = {
    PROJECT: "which makes the folder a Python package; penstock new shows one",
    CONFIG: "which says where the project is delivered; penstock new shows one",
    LOCK: "which pins its dependencies; write it with `uv lock` and commit it",
}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def check_files(checkout: Checkout, project: str) -> ProjectConfig:
    """Check the files of the project `project` in a clean checkout; gives its configuration.

    Raises InvalidProject with one sentence for each thing that is missing.
    """
    folder = checkout.folder
    if not any(folder.iterdir()):
        raise InvalidProject(what="The commit is empty.", fix="Commit the project's files with `git add`.")
    files = {PROJECT: folder / PROJECT, CONFIG: folder / CONFIG, LOCK: checkout.lock}
    missing = [
        f"The commit has no {name}, {why}." for name, why in _MISSING.items() if not files[name].is_file()
    ]
    if missing:
        raise InvalidProject(what=" ".join(missing))
    config = parse_config((folder / CONFIG).read_text(errors="replace"))
    if config.name != project:
        raise InvalidProject(
            what=f"{CONFIG} is that of another project", expected=repr(project), found=repr(config.name)
        )
    _check_lock(checkout)
    _check_places(checkout)
    return config


def _check_lock(checkout: Checkout) -> None:
    """Refuse a lock that was not written for this `pyproject.toml`, or that cannot run tests."""
    declared = _toml(checkout.folder / PROJECT)
    lock = _packages(checkout)
    locked = {normal(str(package.get("name"))) for package in lock}
    wanted = [normal(match[0]) for text in _requirements(declared) if (match := _NAME.match(text))]
    unknown = [name for name in wanted if name not in locked and name != "penstock"]
    if unknown:
        raise InvalidProject(
            what=f"{LOCK} is older than {PROJECT}: it does not hold {', '.join(unknown)}.",
            fix="Write it again with `uv lock` and commit it.",
        )
    if misfits := _misfits(declared, lock):
        raise InvalidProject(
            what=f"{LOCK} does not fit {PROJECT}: {', '.join(misfits)}.",
            fix="Write it again with `uv lock` and commit it.",
        )
    if "pytest" not in locked:
        raise InvalidProject(
            what=f"The tests cannot be run: {LOCK} does not hold pytest.",
            fix="Add it with `uv add --dev pytest` and commit what changed.",
        )


def _misfits(declared: dict[str, Any], lock: list[dict[str, Any]]) -> list[str]:
    """What is asked for, and is not among the versions that are locked."""
    versions: dict[str, list[str]] = {}
    for package in lock:
        versions.setdefault(normal(str(package.get("name"))), []).append(str(package.get("version", "")))
    misfits = []
    for text in _requirements(declared):
        try:
            wanted = Requirement(text)
        except InvalidRequirement as error:
            raise InvalidProject(
                what=f"{PROJECT} asks for {text!r}, which is no requirement", found=str(error).split("\n")[0]
            ) from error
        held = [version for version in versions.get(normal(wanted.name), []) if version]
        if held and not any(wanted.specifier.contains(version, prereleases=True) for version in held):
            misfits.append(f"it holds {wanted.name} {' and '.join(held)}, asked is {wanted.specifier}")
    return misfits


def _check_places(checkout: Checkout) -> None:
    """Refuse packages from folders or files that do not lie in the commit."""
    tree = checkout.tree.resolve()
    for package in _packages(checkout):
        source = package.get("source", {})
        for kind in ("directory", "editable", "virtual", "path"):
            place = str(source.get(kind, "."))
            inside = (checkout.root / place).resolve().is_relative_to(tree)
            if package.get("name") != "penstock" and not inside:
                raise InvalidProject(
                    what=f"{LOCK} takes {package.get('name')} from {place}, which leaves the commit.",
                    fix="Commit the package with the project, or take it from a package index.",
                )


def _packages(checkout: Checkout) -> list[dict[str, Any]]:
    _toml(checkout.lock)
    if not checkout.locked.packages:
        raise InvalidProject(
            what=f"{LOCK} is not a lock that uv wrote.", fix="Write it with `uv lock` and commit it."
        )
    return checkout.locked.packages


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
