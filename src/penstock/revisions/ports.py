"""What source control needs from a git host."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from penstock.revisions.types import Head


class Forge(Protocol):
    """A git host that holds the repositories of projects."""

    def create(self, project: str, *, protected: str) -> str:
        """Make an empty repository (or find it) and give the path to push to."""
        ...

    def heads(self, project: str) -> Sequence[Head]:
        """The newest commit of every branch, in the order of their names."""
        ...

    def merge(self, project: str, *, commit: str, into: str, actor: str, message: str) -> str:
        """Merge a commit into a branch and give the commit that `into` then points to.

        Moves `into` forward without a new commit where that is possible; makes it if there is none;
        leaves it alone when it already holds the commit. Raises NotFound for an unknown commit.
        Raises Conflict, naming the files, when the two do not merge.
        """
        ...

    def read(self, project: str, commit: str, path: str) -> bytes:
        """A file of a commit. Raises NotFound when there is no such commit or file."""
        ...

    def checkout(self, project: str, commit: str, folder: str) -> None:
        """Write the clean tree of a commit, without its history, into an empty folder.

        Raises NotFound for an unknown commit.
        """
        ...
