"""NumPy arrays as .npy files."""

from __future__ import annotations

from typing import IO, Any, cast

from penstock.adapters.formats.parts import is_a
from penstock.core.errors import StepFailed
from penstock.lineage.ports import Blobs
from penstock.runs.types import Artifact


class Arrays:
    """Arrays of numbers, text, times or records; mapped into memory, copied where they are written to."""

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
                fix='Give it another dtype, such as `.astype("U")` for text, or return a table.',
            )
        if isinstance(value, np.ma.MaskedArray):
            raise StepFailed(
                what="It returned a masked NumPy array, whose mask cannot be kept between steps",
                fix="Return `.filled(...)` of it, its data and mask in a list, or a table with nulls.",
            )
        with blobs.writing() as file:
            # Equal arrays lie in the same order, whichever they had in memory.
            whole = _unpadded(np.asarray(value, order="C"))
            np.lib.format.write_array(cast(IO[bytes], file), whole, version=(3, 0), allow_pickle=False)
        meta = {"shape": list(value.shape), "dtype": str(value.dtype)}
        return Artifact(digest=file.digest, format=self.name, size=file.size, meta=meta)

    def read(self, artifact: Artifact, blobs: Blobs, annotation: Any) -> Any:  # noqa: ARG002 - the protocol's
        """See `Format.read`."""
        import numpy as np

        path = blobs.path(artifact.digest)
        mapped = 0 not in artifact.meta["shape"]
        return np.load(path, mmap_mode="c" if mapped else None, allow_pickle=False)


def _unpadded(array: Any) -> Any:
    """The array; of records, one with zeros in the bytes between their fields."""
    import numpy as np

    if array.dtype.names is None:
        return array
    clean = np.zeros_like(array, subok=False)
    _fill(clean, array)
    return clean


def _fill(target: Any, source: Any) -> None:
    if target.dtype.names is None:
        target[...] = source
    else:
        for name in target.dtype.names:
            _fill(target[name], source[name])
