"""A project in the clean tree of a commit, and what its lock says."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from penstock.core.digests import digest_bytes, digest_value
from penstock.core.errors import NotFound
from penstock.revisions.locks import LOCK, Locked

_NO_CODE = {"__pycache__"}


@dataclass(frozen=True)
class Checkout:
    """A project's `folder` in the `tree` of a commit, which is that folder or above it."""

    folder: Path
    tree: Path

    @cached_property
    def locked(self) -> Locked:
        """What is locked for the project, from its own lock or that of its workspace."""
        place = self.folder.relative_to(self.tree).as_posix()
        return Locked("" if place == "." else place, self._read)

    @property
    def root(self) -> Path:
        """The folder of the lock."""
        return self.tree / self.locked.root

    @property
    def lock(self) -> Path:
        """The lock, whether it is there or not."""
        return self.root / LOCK

    @property
    def needs(self) -> str:
        """What the project needs, as a digest: what is locked, and the files that no lock pins."""
        return digest_value([self.locked.digest, self.near])

    @cached_property
    def near(self) -> list[list[str]]:
        """The folders beside the project from which it takes packages, each with the digest of its files."""
        return [[place, _digest(self.tree / place)] for place in self.locked.beside]

    def _read(self, path: str) -> bytes:
        try:
            return (self.tree / path).read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            raise NotFound(what=f"The commit has no file {path}.") from error


def _digest(folder: Path) -> str:
    files = sorted(file for file in folder.rglob("*") if file.is_file() and _NO_CODE.isdisjoint(file.parts))
    return digest_value({str(file.relative_to(folder)): digest_bytes(file.read_bytes()) for file in files})
