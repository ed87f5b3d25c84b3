"""What every `revisions.ports.Forge` must do: subclass `ForgeContract`, give it a forge and a way to push."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import Protocol

import pytest

from penstock.core.errors import Conflict, InvalidValue, NotFound
from penstock.revisions.ports import Forge

FILES = {"pyproject.toml": b"[project]\n", "flights/pipeline.py": b"steps = 1\n", "notes.txt": b"a\nb\nc\n"}


class Push(Protocol):
    """Pushes a commit that holds exactly these files on top of a branch; gives the commit."""

    def __call__(self, branch: str, files: dict[str, bytes], *, author: str = ..., message: str = ...) -> str:
        """`author` is written `Name <address>`; a branch that is new starts at the protected one."""
        ...


class ForgeContract:
    """The repository is called `flights`, its protected branch `main`."""

    @pytest.fixture
    @abstractmethod
    def forge(self) -> Forge:
        """A forge that holds no repository."""

    @pytest.fixture
    @abstractmethod
    def push(self, forge: Forge) -> Push:
        """A way to push to the repository `flights`, which it creates."""

    def test_a_new_repository_is_empty_and_creating_it_again_finds_it(self, forge: Forge, push: Push) -> None:
        path = forge.create("flights", protected="main")
        assert forge.heads("flights") == []
        commit = push("dev", FILES)
        assert forge.create("flights", protected="main") == path
        assert [head.commit for head in forge.heads("flights")] == [commit]

    @pytest.mark.parametrize("name", ["", "..", "a/b", "Flights", "-x", "x" * 64, "a\n"])
    def test_a_name_that_is_no_folder_name_is_refused(self, forge: Forge, name: str) -> None:
        with pytest.raises(InvalidValue):
            forge.create(name, protected="main")

    def test_heads_tell_who_wrote_the_newest_commit_of_each_branch(self, forge: Forge, push: Push) -> None:
        push("dev", FILES)
        newest = push("dev", {**FILES, "a": b"1"}, author="Grace <g@navy.mil>", message="Add a\n\nAt last.")
        push("other", FILES)
        dev, other = forge.heads("flights")
        assert (dev.branch, other.branch) == ("dev", "other")
        assert (dev.commit, dev.author, dev.message) == (newest, "Grace <g@navy.mil>", "Add a")

    def test_files_of_a_commit_are_read_and_checked_out(
        self, forge: Forge, push: Push, tmp_path: Path
    ) -> None:
        first = push("dev", FILES)
        push("dev", {"notes.txt": b"other"})
        assert forge.read("flights", first, "flights/pipeline.py") == FILES["flights/pipeline.py"]
        forge.checkout("flights", first, str(tmp_path))
        found = {
            f.relative_to(tmp_path).as_posix(): f.read_bytes() for f in tmp_path.rglob("*") if f.is_file()
        }
        assert found == FILES

    def test_what_is_not_there_is_not_found(self, forge: Forge, push: Push, tmp_path: Path) -> None:
        commit = push("dev", FILES)
        with pytest.raises(NotFound, match=r"setup\.py"):
            forge.read("flights", commit, "setup.py")
        for unknown in ("0" * 40, "dev", "--help", ""):
            with pytest.raises(NotFound):
                forge.read("flights", unknown, "notes.txt")
            with pytest.raises(NotFound):
                forge.checkout("flights", unknown, str(tmp_path))
            with pytest.raises(NotFound):
                forge.merge("flights", commit=unknown, into="main", actor="ada", message="Merge")
        with pytest.raises(NotFound):
            forge.heads("unknown")

    def test_the_first_merge_makes_the_branch(self, forge: Forge, push: Push) -> None:
        commit = push("dev", FILES)
        assert _merge(forge, commit) == commit
        assert {head.branch: head.commit for head in forge.heads("flights")} == {
            "dev": commit,
            "main": commit,
        }

    def test_a_merge_moves_forward_where_it_can_and_again_changes_nothing(
        self, forge: Forge, push: Push
    ) -> None:
        first = push("dev", FILES)
        _merge(forge, first)
        second = push("dev", {**FILES, "notes.txt": b"new"})
        assert _merge(forge, second) == second
        assert _merge(forge, second) == second
        assert _merge(forge, first) == second

    def test_only_the_commit_that_is_named_is_merged(self, forge: Forge, push: Push) -> None:
        approved = push("dev", FILES)
        push("dev", {**FILES, "notes.txt": b"later"})
        assert _merge(forge, approved) == approved

    def test_branches_that_parted_are_joined(self, forge: Forge, push: Push) -> None:
        _merge(forge, push("dev", FILES))
        left = push("left", {**FILES, "left.txt": b"l"})
        right = push("right", {**FILES, "notes.txt": b"right"})
        _merge(forge, left)
        joined = _merge(forge, right)
        assert joined not in {left, right}
        assert forge.read("flights", joined, "left.txt") == b"l"
        assert forge.read("flights", joined, "notes.txt") == b"right"
        [main] = [head for head in forge.heads("flights") if head.branch == "main"]
        assert main.message == "Merge for a test"
        assert main.author.startswith("grace")

    def test_a_conflict_names_the_files_and_leaves_the_branch(self, forge: Forge, push: Push) -> None:
        _merge(forge, push("dev", FILES))
        left = push("left", {**FILES, "notes.txt": b"left"})
        right = push("right", {**FILES, "notes.txt": b"right"})
        _merge(forge, left)
        with pytest.raises(Conflict, match=r"notes\.txt"):
            _merge(forge, right)
        assert {h.branch: h.commit for h in forge.heads("flights")}["main"] == left


def _merge(forge: Forge, commit: str) -> str:
    return forge.merge("flights", commit=commit, into="main", actor="grace", message="Merge for a test")
