"""Plain values: bytes as they are, and everything that can be written as JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import Any

import msgspec

from penstock.adapters.formats.parts import is_a
from penstock.core.errors import StepFailed
from penstock.lineage.ports import Blobs
from penstock.pipelines.metrics import Metrics
from penstock.runs.types import Artifact


class Bytes:
    """Bytes as they are."""

    name = "bytes"

    def takes(self, value: object) -> bool:
        """See `Format.takes`."""
        return isinstance(value, bytes | bytearray)

    def write(self, value: bytes, blobs: Blobs) -> Artifact:
        """See `Format.write`."""
        return Artifact(digest=blobs.put(bytes(value)), format=self.name, size=len(value))

    def read(self, artifact: Artifact, blobs: Blobs, annotation: Any) -> bytes:  # noqa: ARG002 - the protocol's
        """See `Format.read`."""
        return blobs.get(artifact.digest)


class Json:
    """Values of JSON, and what msgspec writes as JSON: structs, dataclasses, times, decimals, enumerations.

    They come back as the parameter's annotation says; without one, as plain values of JSON.
    """

    name = "json"

    def takes(self, value: object) -> bool:
        """See `Format.takes`."""
        try:
            msgspec.to_builtins(value, enc_hook=_plain)
        except (TypeError, RecursionError):
            return False
        return True

    def write(self, value: object, blobs: Blobs) -> Artifact:
        """See `Format.write`."""
        plain = msgspec.to_builtins(_in_order(value), enc_hook=_plain)
        try:
            data = msgspec.json.encode(plain)
        except (OverflowError, UnicodeEncodeError) as error:
            raise StepFailed(what="It returned a value that JSON cannot keep", found=str(error)) from error
        if b"null" in data:  # which is also what JSON makes of numbers that it does not have
            _refuse_not_finite(plain, "It returned")
        meta = {"type": "Metrics"} if isinstance(value, Metrics) else {}
        return Artifact(digest=blobs.put(data), format=self.name, size=len(data), meta=meta)

    def read(self, artifact: Artifact, blobs: Blobs, annotation: Any) -> Any:
        """See `Format.read`."""
        return self.decode(blobs.get(artifact.digest), annotation)

    def decode(self, data: bytes, annotation: Any) -> Any:
        """The value of JSON as the annotation asks for it."""
        if annotation is Metrics:
            return Metrics(**msgspec.json.decode(data))
        try:
            return msgspec.json.decode(data, type=Any if annotation is None else annotation)
        except (
            TypeError,
            msgspec.ValidationError,
        ):  # an annotation promises nothing, as everywhere in Python
            return msgspec.json.decode(data)


def _in_order(value: Any) -> Any:
    """Sets as sorted lists: their own order is another one in each process, and would be another digest."""
    if isinstance(value, set | frozenset):
        return sorted(map(_in_order, value), key=partial(msgspec.json.encode, enc_hook=_plain))
    if type(value) is dict:
        return {name: _in_order(part) for name, part in value.items()}
    if type(value) in {list, tuple}:
        return [_in_order(part) for part in value]
    return value


def _plain(value: Any) -> Any:
    """What msgspec does not know by itself: mappings such as Metrics, and NumPy's scalars."""
    if isinstance(value, Mapping):
        return dict(value)
    if is_a(value, "numpy", "generic"):
        plain = value.item()
        if not (is_a(value, "numpy", "datetime64", "timedelta64") and isinstance(plain, int)):
            return plain  # a time finer than microseconds would become a number
    raise TypeError


def _refuse_not_finite(value: Any, place: str) -> None:
    """JSON has no NaN: it would come back as None."""
    if isinstance(value, float) and not math.isfinite(value):
        raise StepFailed(
            what=f"{place} {value}, which JSON cannot keep",
            fix="Return None, or a table or an array of numbers.",
        )
    if isinstance(value, dict):
        for key, part in value.items():
            _refuse_not_finite(part, f"It returned, under {key!r},")
    elif isinstance(value, list | tuple):
        for part in value:
            _refuse_not_finite(part, place)
