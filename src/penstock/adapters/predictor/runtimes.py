"""Versions opened for serving: ONNX in this process, others in a child of their release's environment."""

from __future__ import annotations

from pathlib import Path

from penstock.adapters.blobs.folder import FolderBlobs
from penstock.adapters.formats.onnx import FORMAT, OnnxRuntime
from penstock.adapters.isolation.program import Isolation
from penstock.adapters.predictor.native import ChildRuntime
from penstock.core.errors import UnsupportedModel
from penstock.models.types import APART, PICKLE
from penstock.serving.ports import Runtime
from penstock.serving.types import ServedVersion


def open_runtime(version: ServedVersion, blobs: FolderBlobs, isolation: Isolation | None = None) -> Runtime:
    """The runtime of a version; one that its own library answers is isolated.

    Raises UnsupportedModel, also for a pickle where the isolation shuts programs in, Unavailable or Corrupt.
    """
    if version.format == FORMAT:
        return OnnxRuntime(blobs.get(version.artifact), version.signature)
    if version.format == PICKLE and isolation and isolation.shuts:
        raise UnsupportedModel(
            what="The version is a pickle, whose code would run where nothing shuts it in",
            expected="a system that isolates no programs, or another format",
            found=f"{version.format} in a system with --isolation",
            fix="Promote another version in its place, or start the system without --isolation.",
        )
    if version.format in APART:
        python = blobs.home / "envs" / version.runtime / "bin" / "python"
        file = Path(blobs.path(version.artifact))
        code = str(blobs.home / "code" / version.code) if version.code else ""
        return ChildRuntime(python, file, version.format, version.signature, code, isolation=isolation)
    raise UnsupportedModel(
        what="The format cannot be served", expected=", ".join((FORMAT, *APART)), found=version.format
    )
