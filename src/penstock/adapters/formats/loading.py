"""Published models loaded where their packages are, whatever their format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from penstock.adapters.formats.native import NativeModel
from penstock.adapters.formats.onnx import FORMAT, OnnxRuntime
from penstock.adapters.formats.pickling import from_pickle
from penstock.adapters.formats.skops_files import from_skops
from penstock.core.errors import UnsupportedModel
from penstock.models.types import NATIVE, PICKLE, Signature
from penstock.serving.ports import Runtime

KINDS = {"float": pl.Float64, "int": pl.Int64, "bool": pl.Boolean, "string": pl.String}


class NativeRuntime:
    """A model that answers by its own library."""

    def __init__(self, model: Any, signature: Signature) -> None:
        self._native = NativeModel(model)
        self._inputs = {column.name: KINDS[column.dtype] for column in signature.inputs}
        self._classes = len(signature.classes)

    def predict(
        self, columns: Mapping[str, Sequence[Any]]
    ) -> tuple[list[float], list[str], list[list[float]]]:
        """Scores, labels and probabilities for n rows given column by column. Raises UnsupportedModel."""
        frame = pl.DataFrame(
            [pl.Series(name, columns[name], dtype=kind, strict=False) for name, kind in self._inputs.items()]
        )
        answers = self._native.answer(frame)
        values = answers.values.tolist() if self._classes else []
        return answers.score(self._classes).tolist(), answers.label, values


def load(model_format: str, data: bytes, signature: Signature, *, pickles: bool = False) -> Runtime:
    """The runtime of a model, in this process, in which `pickles` may run or may not.

    Raises UnsupportedModel, Corrupt, and StepFailed where a file holds what is not trusted or a package is
    missing.
    """
    if model_format == FORMAT:
        return OnnxRuntime(data, signature)
    if model_format == NATIVE:
        return NativeRuntime(from_skops(data), signature)
    if model_format == PICKLE and pickles:
        return NativeRuntime(from_pickle(data), signature)
    raise UnsupportedModel(
        what="The format cannot be loaded here", expected=f"{FORMAT} or {NATIVE}", found=model_format
    )
