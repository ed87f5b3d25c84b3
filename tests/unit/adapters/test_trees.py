"""What a commit may not hold if it is to be built."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from penstock.adapters.forges.builtin import BuiltinForge
from penstock.core.errors import InvalidProject
from penstock.testing.git import Clone


class Person:
    def __init__(self, folder: Path) -> None:
        self.forge = BuiltinForge(folder / "git")
        (folder / "person").mkdir()
        self.clone = Clone(folder / "person", self.forge.create("flights", protected="main"))
        self.clone.git("symbolic-ref", "HEAD", "refs/heads/dev")
        self.out = folder / "out"
        self.out.mkdir()

    def checked_out(self) -> Path:
        self.clone.git("add", "--all")
        self.clone.git("commit", "--quiet", "--message=Work")
        self.clone.git("push", "--quiet", "origin", "dev")
        commit = self.clone.git("rev-parse", "HEAD").stdout.strip()
        self.forge.checkout("flights", commit, str(self.out))
        return self.out


@pytest.fixture
def person(tmp_path: Path) -> Person:
    return Person(tmp_path)


def test_a_link_within_the_commit_is_kept(person: Person) -> None:
    (person.clone.folder / "a").write_text("hello")
    (person.clone.folder / "folder").mkdir()
    (person.clone.folder / "folder" / "link").symlink_to("../a")
    assert (person.checked_out() / "folder" / "link").read_text() == "hello"


@pytest.mark.parametrize("goal", ["/etc/passwd", "../../secret", "nowhere", "link", "up/../..", ".."])
def test_a_link_that_leaves_the_commit_is_refused(person: Person, goal: str) -> None:
    (person.clone.folder / "folder").mkdir()
    (person.clone.folder / "folder" / "a").write_text("1")
    (person.clone.folder / "up").symlink_to("folder/..")
    (person.clone.folder / "link").symlink_to(goal)
    with pytest.raises(InvalidProject, match="The symbolic link link leads out of the commit, or nowhere"):
        person.checked_out()


def test_a_name_that_is_not_utf8_is_refused(person: Person) -> None:
    Path(os.fsdecode(os.fsencode(person.clone.folder) + b"/caf\xe9.txt")).write_text("1")
    with pytest.raises(InvalidProject, match=r"The name of the file caf\\xe9\.txt is not UTF-8"):
        person.checked_out()


def test_a_submodule_is_refused(person: Person) -> None:
    (person.clone.folder / "a").write_text("1")
    nothing = "1" * 40
    person.clone.git("add", "--all")
    person.clone.git("update-index", "--add", "--cacheinfo", f"160000,{nothing},vendored/lib")
    person.clone.git("commit", "--quiet", "--message=Work")
    person.clone.git("push", "--quiet", "origin", "dev")
    commit = person.clone.git("rev-parse", "HEAD").stdout.strip()
    with pytest.raises(InvalidProject, match="submodule vendored/lib"):
        person.forge.checkout("flights", commit, str(person.out))
