"""ONNX models from elsewhere as one file: weights that lie beside the graph are taken into it."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from penstock.adapters.formats.needs import needing
from penstock.core.errors import UnsupportedModel

NEEDED = "an ONNX model from elsewhere is written anew with one input per column"


def in_one_file(path: str, files: Mapping[str, bytes]) -> bytes:
    """The model at `path` with all its weights inside; `files` are by path what lies in its folder.

    Raises UnsupportedModel for what is no ONNX model, and for weights that are not among the files.
    """
    with needing("onnx", NEEDED):
        import onnx

    with tempfile.TemporaryDirectory() as scratch:
        for name, data in files.items():
            place = Path(scratch, name)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
        try:
            whole: bytes = onnx.load(Path(scratch, path), format="protobuf").SerializeToString()
        except (FileNotFoundError, onnx.checker.ValidationError) as error:
            raise UnsupportedModel(
                what="The weights of the ONNX model lie in other files, which are not here",
                found=_first_line(str(error).replace(scratch, "")),
                fix="Save it in one file, or import an MLflow folder that holds them all.",
            ) from error
        except Exception as error:
            raise no_onnx(error) from error
    return whole


def no_onnx(error: Exception) -> UnsupportedModel:
    """The refusal of what cannot be loaded."""
    return UnsupportedModel(
        what="This is no ONNX model that ONNX Runtime can load",
        found=_first_line(str(error)),
        fix="Convert it again, with operators of ONNX and ONNX-ML.",
    )


def _first_line(text: str) -> str:
    return text.partition("\n")[0].rstrip(".")[:300]
