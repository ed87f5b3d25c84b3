"""Lists whose elements are artifacts of their own: the format `list`, JSON that names them in order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from penstock.core.digests import digest_bytes
from penstock.core.errors import InvalidValue
from penstock.runs.types import Artifact

FORMAT = "list"
PARTS = "parts"
"""The format of a table that lies in several artifacts, one after another: kept as a list of them."""
NAMING = frozenset({FORMAT, PARTS})
"""The formats of what names artifacts of its own."""
ELEMENT = "element"
"""The format of an element of a list of JSON: it lies in the blob of its list and has none of its own."""

TRUE, FALSE = digest_bytes(b"true"), digest_bytes(b"false")
"""Bytes are named by their digest, so these names are the truth values themselves."""

_decode = msgspec.json.Decoder(list[Artifact]).decode


class Bytes(Protocol):
    """What lists need of `lineage.ports.Blobs`."""

    def put(self, data: bytes) -> str:
        """See `Blobs.put`."""
        ...

    def get(self, digest: str) -> bytes:
        """See `Blobs.get`."""
        ...

    def has(self, digest: str) -> bool:
        """See `Blobs.has`."""
        ...


def write_list(elements: Sequence[Artifact], blobs: Bytes) -> Artifact:
    """Keep a list of values that are kept already."""
    data = msgspec.json.encode(elements)
    return Artifact(digest=blobs.put(data), format=FORMAT, size=len(data), meta={"elements": len(elements)})


def read_list(data: bytes) -> list[Artifact]:
    """The elements of a list that `write_list` kept."""
    return _decode(data)


def write_json(value: object, blobs: Bytes) -> Artifact:
    """Keep a JSON-like value."""
    data = msgspec.json.encode(value)
    return Artifact(digest=blobs.put(data), format="json", size=len(data))


def elements(artifact: Artifact, blobs: Bytes) -> list[Artifact]:
    """The elements of a kept list, each an artifact; those of a list of JSON are `element`s of it.

    Raises InvalidValue for what is no list, and NotFound or Corrupt.
    """
    if artifact.format == FORMAT:
        return read_list(blobs.get(artifact.digest))
    if artifact.format != "json":
        raise InvalidValue(expected="a list", found=f"a value of the format {artifact.format}")
    try:
        parts = msgspec.json.decode(blobs.get(artifact.digest), type=list[msgspec.Raw])
    except msgspec.ValidationError as error:
        raise InvalidValue(expected="a list", found=str(error)) from error
    return [
        Artifact(
            digest=digest_bytes(bytes(part)),
            format=ELEMENT,
            size=len(bytes(part)),
            meta={"of": artifact.digest, "at": index},
        )
        for index, part in enumerate(parts)
    ]


def element_json(element: Artifact, blobs: Bytes) -> bytes:
    """The JSON of an `element`. Raises NotFound or Corrupt."""
    parts = msgspec.json.decode(blobs.get(element.meta["of"]), type=list[msgspec.Raw])
    return bytes(parts[element.meta["at"]])


def intact(artifact: Artifact, blobs: Bytes) -> bool:
    """Whether the bytes of an artifact, and of everything that it names, are there and verify."""
    if not blobs.has(artifact.digest):
        return False
    named = read_list(blobs.get(artifact.digest)) if artifact.format in NAMING else []
    return all(intact(element, blobs) for element in named)


def truth(artifact: Artifact) -> bool | None:
    """The truth value that an artifact is, None if it is none."""
    return {TRUE: True, FALSE: False}.get(artifact.digest)


class Supposed:
    """Bytes for asking what would be: what is put is remembered and not kept."""

    def __init__(self, kept: Bytes) -> None:
        self._kept = kept
        self._put: dict[str, bytes] = {}

    def put(self, data: bytes) -> str:
        """See `Blobs.put`."""
        digest = digest_bytes(data)
        self._put[digest] = data
        return digest

    def get(self, digest: str) -> bytes:
        """See `Blobs.get`."""
        return self._put[digest] if digest in self._put else self._kept.get(digest)

    def has(self, digest: str) -> bool:
        """See `Blobs.has`."""
        return digest in self._put or self._kept.has(digest)
