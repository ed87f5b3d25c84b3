"""Pickles, for what nothing else keeps: written where a step asks for it by name, loaded only in workers."""

from __future__ import annotations

from typing import IO, Any, cast

from penstock.core.errors import StepFailed
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

        try:
            with blobs.writing() as file:
                pickle.dump(value, cast(IO[bytes], file), protocol=5)
        except (pickle.PicklingError, TypeError, AttributeError, RecursionError) as error:
            raise StepFailed(
                what=f"It returned a {type(value).__qualname__} that cannot be pickled", found=str(error)
            ) from error
        meta = {"type": f"{type(value).__module__}.{type(value).__qualname__}"}
        return Artifact(digest=file.digest, format=self.name, size=file.size, meta=meta)

    def read(self, artifact: Artifact, blobs: Blobs, annotation: Any) -> Any:  # noqa: ARG002 - the protocol's
        """See `Format.read`."""
        import pickle

        return pickle.loads(blobs.get(artifact.digest))  # noqa: S301 - asked for by name, and verified
