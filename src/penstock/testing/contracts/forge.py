"""What every `revisions.ports.Forge` must do: subclass a contract, give it a forge and a way to push.

`ForgeContract` is kept by all, `OwnRepositories` by one that has repositories of its own, and
`CopiedRepositories` by one that copies those that lie elsewhere.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import pytest

from penstock.core.errors import Conflict, InvalidValue, NotAllowed, NotFound, Unavailable
from penstock.revisions.ports import Forge
from penstock.testing.git import Clone

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
        """A way to push to the repository `flights`, which it creates, so that the forge has seen it."""

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
                forge.changed("flights", commit, unknown)
            assert forge.between("flights", unknown, commit) == []
        with pytest.raises(NotFound):
            forge.heads("unknown")

    def test_what_a_branch_went_through_is_told_oldest_first(self, forge: Forge, push: Push) -> None:
        pushed = [push("dev", {**FILES, "n": b"%d" % n}, message=f"Push {n}") for n in range(4)]
        between = forge.between("flights", pushed[0], pushed[-1])
        assert [head.commit for head in between] == pushed[1:-1]
        assert [head.message for head in between] == ["Push 1", "Push 2"]
        assert [head.parents for head in between] == [(commit,) for commit in pushed[:2]]
        assert forge.between("flights", pushed[0], pushed[1]) == []
        assert forge.between("flights", pushed[-1], pushed[0]) == []

    def test_the_files_that_differ_are_told(self, forge: Forge, push: Push) -> None:
        first = push("dev", FILES)
        second = push("dev", {"notes.txt": b"new", "flights/pipeline.py": b"steps = 1\n", "a b": b""})
        assert sorted(forge.changed("flights", first, second)) == ["a b", "notes.txt", "pyproject.toml"]
        assert forge.changed("flights", first, first) == []


class OwnRepositories(ForgeContract):
    """A forge to which people push."""

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

    def test_an_unknown_commit_is_not_merged(self, forge: Forge, push: Push) -> None:
        push("dev", FILES)
        for unknown in ("0" * 40, "dev", "--help", ""):
            with pytest.raises(NotFound):
                forge.merge("flights", commit=unknown, into="main", actor="ada", message="Merge")

    def test_a_project_within_another_shares_its_repository(self, forge: Forge, push: Push) -> None:
        commit = push("dev", FILES)
        forge.create("second", protected="main", within="flights")
        assert [head.commit for head in forge.heads("second")] == [commit]
        merged = forge.merge("second", commit=commit, into="main", actor="ada", message="Merge")
        assert {head.branch: head.commit for head in forge.heads("flights")}["main"] == merged
        with pytest.raises(NotFound):
            forge.create("third", protected="main", within="unknown")

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


class CopiedRepositories(ForgeContract):
    """A forge that copies repositories from elsewhere; `push` pushes there, and has the copy brought up."""

    @pytest.fixture
    @abstractmethod
    def address(self) -> str:
        """Where `flights` lies."""

    @pytest.fixture
    @abstractmethod
    def elsewhere(self) -> Clone:
        """A clone of it, with which `push` pushes."""

    @pytest.fixture
    @abstractmethod
    def copy_of(self) -> Callable[[], str]:
        """Where the copy lies."""

    @pytest.fixture
    def token(self) -> str:
        return ""

    def test_a_branch_that_is_gone_or_was_rewritten_is_so_in_the_copy(
        self, forge: Forge, push: Push, address: str, token: str, elsewhere: Clone
    ) -> None:
        push("dev", FILES)
        push("other", FILES)
        elsewhere.git("push", "--quiet", "origin", "--delete", "other")
        elsewhere.git("checkout", "--quiet", "--orphan", "again")
        elsewhere.git("commit", "--quiet", "--message=Again")
        elsewhere.git("push", "--quiet", "--force", "origin", "again:dev")
        forge.fetch("flights", address, token)
        assert [(head.branch, head.message) for head in forge.heads("flights")] == [("dev", "Again")]

    def test_a_copy_is_neither_merged_nor_pushed_to(
        self, forge: Forge, push: Push, elsewhere: Clone, copy_of: Callable[[], str]
    ) -> None:
        commit = push("dev", FILES)
        with pytest.raises(NotAllowed):
            _merge(forge, commit)
        refused = elsewhere.git("push", copy_of(), "HEAD:refs/heads/smuggled", check=False)
        assert "push there" in refused.stderr
        assert [head.branch for head in forge.heads("flights")] == ["dev"]

    def test_what_cannot_be_fetched_leaves_what_was_there(
        self, forge: Forge, push: Push, address: str
    ) -> None:
        commit = push("dev", FILES)
        for wrong in (f"{address}-gone", "http://127.0.0.1:9/flights.git"):
            with pytest.raises(Unavailable, match="cannot be fetched") as told:
                forge.fetch("flights", wrong, "a-wrong-token")
            assert "a-wrong-token" not in str(told.value)
            with pytest.raises(Unavailable):
                forge.fetch("another", wrong, "")
        assert [head.commit for head in forge.heads("flights")] == [commit]
        with pytest.raises(NotFound):
            forge.heads("another")

    def test_a_project_is_either_here_or_elsewhere(self, forge: Forge, push: Push, address: str) -> None:
        push("dev", FILES)
        with pytest.raises(Conflict):
            forge.create("flights", protected="main")
        forge.create("here", protected="main")
        with pytest.raises(Conflict):
            forge.fetch("here", address, "")


def _merge(forge: Forge, commit: str) -> str:
    return forge.merge("flights", commit=commit, into="main", actor="grace", message="Merge for a test")
