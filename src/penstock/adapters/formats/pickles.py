"""Pickles, for what nothing else keeps: written where a step asks for it by name, loaded only in workers."""

from __future__ import annotations

from typing import IO, Any, cast

from penstock.adapters.formats.pickling import from_pickle, picklable
from penstock.lineage.ports import Blobs
from penstock.runs.types import Artifact


class UnsafePickles:
    """Any value that can be pickled. Loading one runs whatever code it names."""

    name = "unsafe_pickle"

    def takes(self, value: object) -> bool:  # noqa: ARG002 - the protocol's
        """Nothing by itself."""
        return False

    def write(self, value: Any, blobs: Blobs) -> Artifact:
        """See `Format.write`."""
        import pickle

        with picklable(value), blobs.writing() as file:
            pickle.dump(value, cast(IO[bytes], file), protocol=5)
        meta = {"type": f"{type(value).__module__}.{type(value).__qualname__}"}
        return Artifact(digest=file.digest, format=self.name, size=file.size, meta=meta)

    def read(self, artifact: Artifact, blobs: Blobs, annotation: Any) -> Any:  # noqa: ARG002 - the protocol's
        """See `Format.read`."""
        return from_pickle(blobs.get(artifact.digest))
