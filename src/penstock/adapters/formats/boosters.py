"""Boosters as the files of their own libraries."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from penstock.adapters.formats.parts import is_a
from penstock.lineage.ports import Blobs
from penstock.runs.types import Artifact


class XGBoostBoosters:
    """`xgboost.Booster`, with names of features and attributes, as UBJSON."""

    name = "xgboost"

    def takes(self, value: object) -> bool:
        """See `Format.takes`."""
        return is_a(value, "xgboost", "Booster")

    def write(self, value: Any, blobs: Blobs) -> Artifact:
        """See `Format.write`."""
        data = bytes(value.save_raw(raw_format="ubj"))
        meta = {"rounds": value.num_boosted_rounds()}
        return Artifact(digest=blobs.put(data), format=self.name, size=len(data), meta=meta)

    def read(self, artifact: Artifact, blobs: Blobs, annotation: Any) -> Any:  # noqa: ARG002 - the protocol's
        """See `Format.read`."""
        from xgboost import Booster

        booster = Booster()
        booster.load_model(bytearray(blobs.get(artifact.digest)))
        return booster


class LightGBMBoosters:
    """`lightgbm.Booster` with all its trees, as text; its best iteration lies beside it."""

    name = "lightgbm"

    def takes(self, value: object) -> bool:
        """See `Format.takes`."""
        return is_a(value, "lightgbm", "Booster")

    def write(self, value: Any, blobs: Blobs) -> Artifact:
        """See `Format.write`."""
        data = value.model_to_string(num_iteration=-1).encode()
        meta = {"rounds": value.num_trees(), "beside": {"best_iteration": value.best_iteration}}
        return Artifact(digest=blobs.put(data), format=self.name, size=len(data), meta=meta)

    def read(self, artifact: Artifact, blobs: Blobs, annotation: Any) -> Any:  # noqa: ARG002 - the protocol's
        """See `Format.read`."""
        from lightgbm import Booster

        booster = Booster(model_str=Path(blobs.path(artifact.digest)).read_text(encoding="utf-8"))
        booster.best_iteration = artifact.meta["beside"]["best_iteration"]
        return booster
