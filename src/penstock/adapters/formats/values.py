"""Values between steps: written as artifacts in formats that cannot execute code, and read back."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import msgspec

from penstock.adapters.formats.estimators import Estimators
from penstock.adapters.formats.kinds import is_a
from penstock.adapters.formats.lists import read_elements
from penstock.adapters.formats.tables import Tables
from penstock.core.errors import StepFailed
from penstock.lineage.ports import Blobs
from penstock.pipelines.metrics import Metrics
from penstock.runs.lists import FORMAT as LIST
from penstock.runs.lists import read_list, write_list
from penstock.runs.types import Artifact


class Format(Protocol):
    """A way of keeping values of some types."""

    name: str

    def takes(self, value: object) -> bool:
        """Whether the value is of a type that is kept this way."""
        ...

    def write(self, value: Any, blobs: Blobs) -> Artifact:
        """Keep the value. Raises StepFailed when it holds something that this format cannot keep."""
        ...

    def read(self, path: str, annotation: Any) -> Any:
        """The value from a file, as the type that `annotation` asks for where the format knows several."""
        ...


def write(value: object, blobs: Blobs) -> Artifact:
    """Keep the value that a step returned. Raises StepFailed for a type or content that cannot be kept."""
    for format_ in FORMATS.values():
        if format_.takes(value):
            return format_.write(value, blobs)
    if isinstance(value, list | tuple):
        return write_list([write(element, blobs) for element in value], blobs)
    kind = type(value)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    raise StepFailed(what=f"It returned a {name}, which cannot be kept between steps", expected=ALLOWED)


def read(artifact: Artifact, blobs: Blobs, annotation: Any = None) -> Any:
    """A kept value, for a parameter with this annotation.

    Tables come back as a Polars DataFrame unless the annotation names a LazyFrame or a pandas DataFrame,
    JSON as plain values unless it names their type, lists of other values as lists unless it names a
    Sequence, which reads them one by one. Raises NotFound or Corrupt.
    """
    if artifact.format == LIST:
        kept = read_list(blobs.get(artifact.digest))
        return read_elements(kept, annotation, lambda element, wanted: read(element, blobs, wanted))
    return FORMATS[artifact.format].read(blobs.path(artifact.digest), annotation)


ALLOWED = (
    "a Polars, pandas or Arrow table, a NumPy array, a scikit-learn estimator, Metrics, "
    "a value of JSON (None, bool, int, float, str, list, dict, dataclass, msgspec.Struct), "
    "bytes, the pathlib.Path of a file, or a list of these"
)


class Bytes:
    """Bytes as they are."""

    name = "bytes"

    def takes(self, value: object) -> bool:
        """See `Format.takes`."""
        return isinstance(value, bytes | bytearray)

    def write(self, value: bytes, blobs: Blobs) -> Artifact:
        """See `Format.write`."""
        return Artifact(digest=blobs.put(bytes(value)), format=self.name, size=len(value))

    def read(self, path: str, annotation: Any) -> bytes:  # noqa: ARG002 - the protocol's
        """See `Format.read`."""
        return Path(path).read_bytes()


class Files:
    """A file that a step wrote; comes back as the path of a copy that must not be changed."""

    name = "file"

    def takes(self, value: object) -> bool:
        """See `Format.takes`."""
        return isinstance(value, Path)

    def write(self, value: Path, blobs: Blobs) -> Artifact:
        """See `Format.write`."""
        if not value.is_file():
            raise StepFailed(what=f"It returned the path {value}, where there is no file")
        size = value.stat().st_size
        return Artifact(
            digest=blobs.put_file(str(value)), format=self.name, size=size, meta={"name": value.name}
        )

    def read(self, path: str, annotation: Any) -> Path:  # noqa: ARG002 - the protocol's
        """See `Format.read`."""
        return Path(path)


class Arrays:
    """NumPy arrays of numbers, text or times; mapped into memory, copied where they are written to."""

    name = "npy"

    def takes(self, value: object) -> bool:
        """See `Format.takes`."""
        return is_a(value, "numpy", "ndarray")

    def write(self, value: Any, blobs: Blobs) -> Artifact:
        """See `Format.write`."""
        import numpy as np

        if value.dtype.hasobject:
            raise StepFailed(
                what="It returned a NumPy array of Python objects, which cannot be kept between steps",
                expected="an array of numbers, text or times",
            )
        buffer = io.BytesIO()
        np.save(buffer, value, allow_pickle=False)
        data = buffer.getvalue()
        meta = {"shape": list(value.shape), "dtype": str(value.dtype)}
        return Artifact(digest=blobs.put(data), format=self.name, size=len(data), meta=meta)

    def read(self, path: str, annotation: Any) -> Any:  # noqa: ARG002 - the protocol's
        """See `Format.read`."""
        import numpy as np

        return np.load(path, mmap_mode="c", allow_pickle=False)


class Json:
    """Values of JSON, and what msgspec writes as JSON: structs, dataclasses, times, enumerations.

    They come back as the parameter's annotation says; without one, as plain values of JSON.
    """

    name = "json"

    def takes(self, value: object) -> bool:
        """See `Format.takes`."""
        try:
            msgspec.to_builtins(value, enc_hook=_plain)
        except TypeError:
            return False
        return True

    def write(self, value: object, blobs: Blobs) -> Artifact:
        """See `Format.write`."""
        plain = msgspec.to_builtins(value, enc_hook=_plain)
        _refuse_not_finite(plain, "It returned")
        data = msgspec.json.encode(plain)
        meta = {"type": "Metrics"} if isinstance(value, Metrics) else {}
        return Artifact(digest=blobs.put(data), format=self.name, size=len(data), meta=meta)

    def read(self, path: str, annotation: Any) -> Any:
        """See `Format.read`."""
        data = Path(path).read_bytes()
        if annotation is Metrics:
            return Metrics(**msgspec.json.decode(data))
        try:
            return msgspec.json.decode(data, type=Any if annotation is None else annotation)
        except (
            TypeError,
            msgspec.ValidationError,
        ):  # an annotation promises nothing, as everywhere in Python
            return msgspec.json.decode(data)


def _plain(value: Any) -> Any:
    """What msgspec does not know by itself: mappings such as Metrics, and NumPy's scalars."""
    if isinstance(value, Mapping):
        return dict(value)
    if is_a(value, "numpy", "generic"):
        return value.item()
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


FORMATS: dict[str, Format] = {
    each.name: each for each in (Bytes(), Files(), Arrays(), Tables(), Estimators(), Json())
}
"""The formats by name, in the order in which they are asked."""
