"""scikit-learn estimators between steps, as skops files."""

from __future__ import annotations

from typing import Any

from penstock.adapters.formats.parts import is_a
from penstock.adapters.formats.skops_files import as_skops, from_skops
from penstock.lineage.ports import Blobs
from penstock.runs.types import Artifact


class Estimators:
    """Fitted estimators and pipelines made of the classes of scikit-learn and of the booster libraries.

    A booster's native bytes lie inside, beside the parameters and classes that its own file would forget.
    """

    name = "skops"

    def takes(self, value: object) -> bool:
        """See `Format.takes`."""
        return is_a(value, "sklearn", "BaseEstimator") or is_a(value, "catboost", "CatBoost")

    def write(self, value: Any, blobs: Blobs) -> Artifact:
        """See `Format.write`."""
        data = as_skops(value)
        meta = {"type": type(value).__name__}
        return Artifact(digest=blobs.put(data), format=self.name, size=len(data), meta=meta)

    def read(self, artifact: Artifact, blobs: Blobs, annotation: Any) -> Any:  # noqa: ARG002 - the protocol's
        """See `Format.read`."""
        return from_skops(blobs.get(artifact.digest))
