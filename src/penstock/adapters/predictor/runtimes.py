"""Versions opened for serving: ONNX in this process, others in a child of their release's environment."""

from __future__ import annotations

from pathlib import Path

from penstock.adapters.blobs.folder import FolderBlobs
from penstock.adapters.formats.onnx import FORMAT, OnnxRuntime
from penstock.adapters.predictor.native import ChildRuntime
from penstock.core.errors import UnsupportedModel
from penstock.models.types import APART, PICKLE
from penstock.serving.ports import Runtime
from penstock.serving.types import ServedVersion


def open_runtime(version: ServedVersion, blobs: FolderBlobs, *, pickles: bool = True) -> Runtime:
    """The runtime of a version. Raises UnsupportedModel, also for a pickle without `pickles`, Unavailable or
    Corrupt.
    """
    if version.format == FORMAT:
        return OnnxRuntime(blobs.get(version.artifact), version.signature)
    if version.format == PICKLE and not pickles:
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
        return ChildRuntime(python, file, version.format, version.signature, code)
    raise UnsupportedModel(
        what="The format cannot be served", expected=", ".join((FORMAT, *APART)), found=version.format
    )
