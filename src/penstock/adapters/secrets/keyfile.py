"""Seals with AES-256-GCM (NIST SP 800-38D) and a key in a file that only its owner may read."""

from __future__ import annotations

import base64
import binascii
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.core.errors import Corrupt

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_BITS = 256
_NONCE = 12


class KeyFile:
    """A `lineage.ports.Seal`. The key is made with the first secret; without it no secret can be read."""

    def __init__(self, path: Path) -> None:
        """`path` is the key's file."""
        self._path = path

    def close(self, name: str, text: str) -> str:
        """See `Seal.close`."""
        nonce = os.urandom(_NONCE)
        sealed = _cipher(self._key()).encrypt(nonce, text.encode(), name.encode())
        return base64.b64encode(nonce + sealed).decode()

    def open(self, name: str, sealed: str) -> str:
        """See `Seal.open`."""
        from cryptography.exceptions import InvalidTag

        try:
            data = base64.b64decode(sealed, validate=True)
            return _cipher(self._key()).decrypt(data[:_NONCE], data[_NONCE:], name.encode()).decode()
        except (InvalidTag, binascii.Error, ValueError) as error:
            raise Corrupt(
                what=f"The secret {name} cannot be read with the key in {self._path}.",
                fix="Put the home's own key back, or set the secret again.",
            ) from error

    def _key(self) -> bytes:
        if not self._path.exists():
            new = self._path.with_name(f".{self._path.name}.{os.getpid()}")
            with os.fdopen(os.open(new, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb") as file:
                file.write(os.urandom(_BITS // 8))
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileExistsError):  # another process was first: its key is the key
                self._path.hardlink_to(new)
            new.unlink()
        return self._path.read_bytes()


def _cipher(key: bytes) -> AESGCM:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # a library in Rust, seldom needed

    return AESGCM(key)
