"""Digests: the names of immutable bytes and values."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec


def digest_bytes(data: bytes) -> str:
    """The SHA-256 of `data` as 64 lower-case hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def digest_value(value: Any) -> str:
    """The digest of a JSON-like value, independent of the order of keys.

    Raises TypeError for a value that msgspec cannot encode.
    """
    return digest_bytes(canonical(value))


def canonical(value: Any) -> bytes:
    """The one JSON encoding of a value: keys sorted, no white space."""
    return msgspec.json.encode(value, order="sorted")
