"""Blobs of a store that may only be read, with new ones in a folder of one's own."""

from __future__ import annotations

import os
import shutil
import stat
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import IO

from penstock.adapters.blobs.folder import FolderBlobs
from penstock.core.digests import Digesting

_CHUNK = 1 << 20
_PLAINLY = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK


class BorrowedBlobs:
    """A `lineage.ports.Blobs` of an isolated worker."""

    def __init__(self, lent: Path, own: Path) -> None:
        """`lent` is the folder of the store, `own` that of new blobs, until `take_in` moves them there."""
        self._lent = FolderBlobs(lent)
        self._own = FolderBlobs(own)

    def put(self, data: bytes) -> str:
        """See `Blobs.put`."""
        return self._own.put(data)

    def writing(self) -> AbstractContextManager[Digesting]:
        """See `Blobs.writing`."""
        return self._own.writing()

    def put_file(self, path: str) -> str:
        """See `Blobs.put_file`."""
        return self._own.put_file(path)

    def get(self, digest: str) -> bytes:
        """See `Blobs.get`."""
        return self._of(digest).get(digest)

    def path(self, digest: str) -> str:
        """See `Blobs.path`."""
        return self._of(digest).path(digest)

    def has(self, digest: str) -> bool:
        """See `Blobs.has`."""
        return self._own.has(digest) or self._lent.has(digest)

    def where(self, digest: str) -> str:
        """See `Blobs.where`."""
        return self._of(digest).where(digest)

    def digests(self, idle: float = 0.0) -> dict[str, int]:
        """See `Blobs.digests`: of the new ones."""
        return self._own.digests(idle)

    def delete(self, digest: str, idle: float = 0.0) -> bool:
        """See `Blobs.delete`: of the new ones."""
        return self._own.delete(digest, idle)

    def _of(self, digest: str) -> FolderBlobs:
        return self._own if self._own.has(digest) else self._lent


def take_in(own: Path, blobs: FolderBlobs) -> None:
    """Move the blobs of a worker's own folder into the store.

    The worker may have put anything there: links are not followed, and a file is taken only if its bytes
    have the digest that it is named by.
    """
    if not own.is_dir():
        return
    for folder, _, files, place in os.fwalk(own):
        for name in files:
            with suppress(OSError), os.fdopen(os.open(name, _PLAINLY, dir_fd=place), "rb") as file:
                if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    _take(file, f"{Path(folder).name}{name}", blobs)
                    os.unlink(name, dir_fd=place)


def _take(file: IO[bytes], digest: str, blobs: FolderBlobs) -> None:
    with suppress(_Otherwise), blobs.writing() as kept:
        shutil.copyfileobj(file, kept, _CHUNK)
        if kept.digest != digest:
            raise _Otherwise


class _Otherwise(Exception):
    """The bytes are not those that the name promises: nothing is stored."""
