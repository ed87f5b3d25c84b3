"""Digests: the names of immutable bytes and values."""

from __future__ import annotations

import hashlib
import io
from threading import Thread
from typing import IO, Any

import msgspec


def digest_bytes(data: bytes) -> str:
    """The SHA-256 of `data` as 64 lower-case hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


_WORTH_A_THREAD = 1 << 20
"""Bytes that take longer to digest than a thread to start."""


class Digesting(io.RawIOBase):
    """Writes to another file, and knows the digest and the size of what has passed.

    Large pieces are digested while they are written: each takes half of the time that both would.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._sha = hashlib.sha256()
        self.size = 0

    @property
    def digest(self) -> str:
        """The digest of the bytes so far."""
        return self._sha.hexdigest()

    def writable(self) -> bool:
        """Yes."""
        return True

    def write(self, data: Any) -> int:
        """Pass all of the data on."""
        view = memoryview(data).cast("B")
        if len(view) < _WORTH_A_THREAD:
            self._sha.update(view)
            self._file.write(view)
        else:
            digesting = Thread(target=self._sha.update, args=(view,))
            digesting.start()
            try:
                self._file.write(view)
            finally:
                digesting.join()
        self.size += len(view)
        return len(view)


def digest_value(value: Any) -> str:
    """The digest of a JSON-like value, independent of the order of keys.

    Raises TypeError for a value that msgspec cannot encode.
    """
    return digest_bytes(canonical(value))


def canonical(value: Any) -> bytes:
    """The one JSON encoding of a value: keys sorted, no white space."""
    return msgspec.json.encode(value, order="sorted")
