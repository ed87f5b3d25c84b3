"""Writes the projects of the corpus into folders."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec

HERE = Path(__file__).parent
BASES = ("churn", "demand", "fraud")


class Change(msgspec.Struct, frozen=True):
    """A text of a file of the base, there once, and what stands in its place."""

    file: str
    right: str
    wrong: str


class Bug(msgspec.Struct, frozen=True):
    """One realistic mistake: `change` makes it, `both` is done to the clean twin as well.

    A bug is `held_out` when whoever wrote it had not read the automatic tests, and no test was changed after
    it was first measured; `round` is the set of held-out bugs that it came with, 0 if it grew with the tests.
    `note` says why data and code cannot tell it from what was meant, where that is so.
    """

    title: str
    why: str
    base: str
    change: tuple[Change, ...] = ()
    both: tuple[Change, ...] = ()
    held_out: bool = False
    round: int = 0
    note: str = ""


def bugs(home: Path = HERE) -> dict[str, Bug]:
    """Every bug of a corpus by its name: the files of its folder `bugs`, or of the folder itself."""
    return _read(home / "bugs" if (home / "bugs").is_dir() else home)


def twins(home: Path = HERE) -> dict[str, Bug]:
    """Every clean project by its name: bases, files of `twins`, and twins of bugs that are no plain base."""
    bases = {base: Bug(title=base, why="", base=base) for base in BASES} if home == HERE else {}
    own = {
        bug.both: Bug(title=bug.title, why="", base=bug.base, both=bug.both) for bug in bugs(home).values()
    }
    of_bugs = {f"{twin.base}-{n}": twin for n, twin in enumerate(own.values()) if twin.both}
    return bases | _read(home / "twins") | of_bugs


def _read(folder: Path) -> dict[str, Bug]:
    files = sorted(folder.glob("*.toml"))
    return {file.stem: msgspec.toml.decode(file.read_bytes(), type=Bug) for file in files}


def write(bug: Bug, folder: Path, home: Path = HERE) -> Path:
    """Write a project with its bug (a twin has none) to `folder`; gives it.

    Its base lies in the corpus `home`, or is one of ours.
    """
    base = home / "bases" / bug.base
    shutil.copytree(
        base if base.is_dir() else HERE / "bases" / bug.base,
        folder,
        ignore=shutil.ignore_patterns("__pycache__", ".*", "data"),
    )
    for change in (*bug.both, *bug.change):
        file = folder / change.file
        text = file.read_text()
        if text.count(change.right) != 1:
            raise ValueError(
                f"{bug.title}: {change.file} has {text.count(change.right)} times {change.right!r}"
            )
        file.write_text(text.replace(change.right, change.wrong))
    return folder
