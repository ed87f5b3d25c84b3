"""Blobs in a folder: each in a file named by its digest, complete or not there at all."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from penstock.adapters.blobs.behind import Behind, flush_folder
from penstock.core.digests import Digesting, digest_bytes
from penstock.core.errors import Corrupt, NotFound, StorageFailed

_DIGEST = re.compile(r"[0-9a-f]{64}")
_CHUNK = 1 << 20
_BUFFER = 1 << 13
"""Bytes that are written together, and read at once."""
_READ_ONLY = 0o444
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL
_ABANDONED_SECONDS = 60
"""A part that is older and that no writer holds any more will not be finished."""
_FRESH_SECONDS = 60
"""A blob that was stored within so many seconds is not marked as stored anew."""

Stamp = tuple[int, int, int]
"""Size, time of change and inode: what tells that a verified file was not touched since."""


class FolderBlobs:
    """A `lineage.ports.Blobs` in a local folder, safe to share between threads and processes.

    A blob is written beside its place and moved there when its bytes are on the disk, so that a
    crash or a full disk leaves no blob that is half-written.
    """

    def __init__(self, folder: Path, *, behind: Behind | None = None) -> None:
        """With `behind`, blobs are moved to their place at once and flushed to the disk behind the writer."""
        self._folder = folder.absolute()
        self._behind = behind
        self._verified: dict[str, Stamp] = {}
        self._sweep()

    def put(self, data: bytes) -> str:
        """See `Blobs.put`."""
        digest = digest_bytes(data)
        place = self._place(digest)
        if not self._again(digest, place):
            with self._part() as (part, descriptor):
                _write(descriptor, data)
                self._settle(part, descriptor, digest, place)
        return digest

    @contextmanager
    def writing(self) -> Iterator[Digesting]:
        """See `Blobs.writing`."""
        with self._part() as (part, descriptor):
            with open(descriptor, "wb", buffering=_BUFFER, closefd=False) as file:
                digesting = Digesting(file)
                yield digesting
            place = self._place(digesting.digest)
            if self._again(digesting.digest, place):
                os.unlink(part)
            else:
                self._settle(part, descriptor, digesting.digest, place)

    def put_file(self, path: str) -> str:
        """See `Blobs.put_file`."""
        with Path(path).open("rb") as source, self.writing() as file:
            while chunk := source.read(_CHUNK):
                file.write(chunk)
        return file.digest

    def get(self, digest: str) -> bytes:
        """See `Blobs.get`."""
        try:
            data = _read(self._place(digest))
        except FileNotFoundError:
            raise _missing(digest) from None
        if digest_bytes(data) != digest:
            raise _corrupt(digest)
        return data

    @property
    def home(self) -> Path:
        """The directory in which the folder lies."""
        return self._folder.parent

    def path(self, digest: str) -> str:
        """See `Blobs.path`."""
        file = self._place(digest)
        if not self._whole(digest, file):
            raise _corrupt(digest) if os.path.exists(file) else _missing(digest)
        return file

    def has(self, digest: str) -> bool:
        """See `Blobs.has`."""
        return self._whole(digest, self._place(digest))

    def where(self, digest: str) -> str:
        """See `Blobs.where`."""
        return Path(self._place(digest)).as_uri()

    def digests(self, idle: float = 0.0) -> dict[str, int]:
        """See `Blobs.digests`."""
        found: dict[str, int] = {}
        before = time.time() - idle
        for file in self._folder.glob("[0-9a-f][0-9a-f]/*"):
            with suppress(FileNotFoundError):
                stat = file.stat()
                if stat.st_mtime <= before:
                    found[file.parent.name + file.name] = stat.st_size
        return found

    def delete(self, digest: str, idle: float = 0.0) -> bool:
        """See `Blobs.delete`."""
        file = self._place(digest)
        with self._turn(fcntl.LOCK_EX), suppress(FileNotFoundError):
            if os.stat(file).st_mtime <= time.time() - idle:
                os.unlink(file)
                return True
        return False

    def _place(self, digest: str) -> str:
        if not _DIGEST.fullmatch(digest):
            raise NotFound(what="There is no such blob", expected="64 hexadecimal digits", found=repr(digest))
        return f"{self._folder}/{digest[:2]}/{digest[2:]}"

    def _whole(self, digest: str, file: str) -> bool:
        """Whether the right bytes are there; they are read again only when the file has changed."""
        try:
            if self._verified.get(digest) == _stamp(os.stat(file)):
                return True
            with open(file, "rb") as source:
                stamp = _stamp(os.fstat(source.fileno()))
                if hashlib.file_digest(source, "sha256").hexdigest() != digest:
                    return False
        except FileNotFoundError:
            return False
        self._verified[digest] = stamp
        return True

    def _again(self, digest: str, file: str) -> bool:
        """Whether the bytes are there; if so they count as stored now, so that nobody deletes them as old."""
        if not self._whole(digest, file):
            return False
        with self._turn(fcntl.LOCK_SH):
            if not self._whole(digest, file):
                return False
            if time.time() - os.stat(file).st_mtime > _FRESH_SECONDS:
                os.utime(file)
                self._verified[digest] = _stamp(os.stat(file))
            return True

    @contextmanager
    def _turn(self, kind: int) -> Iterator[None]:
        """Either many store again what is there, or one deletes."""
        with self._folder.with_name(f"{self._folder.name}-lock").open("wb") as lock:
            fcntl.flock(lock, kind)
            yield

    def _sweep(self) -> None:
        """Remove what writers that were killed have left."""
        for part in self._folder.glob("*.part"):
            with suppress(FileNotFoundError, BlockingIOError, PermissionError):
                if time.time() - part.stat().st_mtime > _ABANDONED_SECONDS:
                    with part.open("rb") as file:
                        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                        part.unlink()

    @contextmanager
    def _part(self) -> Iterator[tuple[str, int]]:
        """A file beside the blobs, open to be written and then settled or removed; gone when anything fails
        before that.
        """
        part = f"{self._folder}/{os.urandom(16).hex()}.part"
        try:
            descriptor = _new(part)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)  # until the end, whatever that is
                yield part, descriptor
            finally:
                os.close(descriptor)
        except BaseException as error:
            with suppress(FileNotFoundError):
                os.unlink(part)
            if not isinstance(error, OSError):
                raise
            raise StorageFailed(
                found=f"{error.strerror} in {self._folder}",
                fix="Nothing was left behind; free space on that disk and try again.",
            ) from error

    def _settle(self, part: str, descriptor: int, digest: str, place: str) -> None:
        """Make the written bytes durable, and visible under their name: then, unless it is done behind us.

        They have the digest, so they count as verified until somebody touches the file.
        """
        found = os.fstat(descriptor)
        if (
            found.st_mode & 0o777 != _READ_ONLY
        ):  # files of this process are to be seen by fewer, blobs are not
            os.fchmod(descriptor, _READ_ONLY)
        stamp = _stamp(found)
        if self._behind:
            _move(part, place)
            self._behind.flush(place)
        else:
            os.fsync(descriptor)
            _move(part, place)
            flush_folder(os.path.dirname(place))
        self._verified[digest] = stamp


def _new(path: str) -> int:
    try:
        return os.open(path, _NEW, _READ_ONLY)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return os.open(path, _NEW, _READ_ONLY)


def _write(descriptor: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]


def _move(part: str, place: str) -> None:
    try:
        os.replace(part, place)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(place), exist_ok=True)
        os.replace(part, place)


def _read(file: str) -> bytes:
    """All of a file, one that is small at once."""
    descriptor = os.open(file, os.O_RDONLY)
    try:
        data = os.pread(descriptor, _BUFFER, 0)
        if len(data) < _BUFFER:
            return data
        with open(descriptor, "rb", buffering=0, closefd=False) as large:
            return large.read()
    finally:
        os.close(descriptor)


def _stamp(found: os.stat_result) -> Stamp:
    return found.st_size, found.st_mtime_ns, found.st_ino


def _missing(digest: str) -> NotFound:
    return NotFound(what=f"There is no blob {digest}")


def _corrupt(digest: str) -> Corrupt:
    return Corrupt(
        what=f"The bytes of blob {digest} have changed",
        fix="Run again what made it, or restore it from a backup.",
    )
