"""Models in the ONNX format, which cannot execute code of its own, on ONNX Runtime."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from itertools import chain
from tempfile import NamedTemporaryFile
from typing import IO, Any

import msgspec
import numpy as np
import numpy.typing as npt
import onnxruntime

from penstock.core.errors import Corrupt
from penstock.models.types import Signature

FORMAT = "onnx"
PROBABILITIES = "probabilities"
"""The name of a classifier's output of shape (n, classes)."""
TOGETHER = "penstock.together"
"""Of a graph's metadata: which columns, in order, make each input of several, as JSON."""

SHORT = 256 * 1024
"""Bytes of a model for which loading it twice is worth what that saves."""

_PROVIDERS = ["CPUExecutionProvider"]
_FLOAT = "tensor(float)"
_NUMPY: dict[str, type[np.generic]] = {
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(bool)": np.bool_,
}


class OnnxRuntime:
    """A model with one input of shape (n, 1) per column, or of shape (n, k) for k columns of floats.

    Missing numbers go in as NaN, missing strings as the empty string. One thread and
    sequential execution: a row is answered before a second thread would have woken.
    """

    def __init__(self, model: bytes, signature: Signature) -> None:
        """Raises Corrupt."""
        try:
            self._session = _session(model)
        except Exception as error:
            raise Corrupt(
                what="The model cannot be loaded by ONNX Runtime", found=str(error).split("\n")[0]
            ) from error
        inputs = {put.name: put.type for put in self._session.get_inputs()}
        made_of = msgspec.json.decode(self._session.get_modelmeta().custom_metadata_map.get(TOGETHER, "{}"))
        self._floats: list[str] = []
        self._parts: list[tuple[str, slice]] = []
        for name in (each for each, kind in inputs.items() if kind == _FLOAT):
            begin = len(self._floats)
            self._floats += made_of.get(name, [name])
            self._parts.append((name, slice(begin, len(self._floats))))
        self._others = [(name, kind) for name, kind in inputs.items() if kind != _FLOAT]
        self._classes = signature.classes
        self._labels = np.array(signature.classes, dtype=object)
        outputs = [put.name for put in self._session.get_outputs()]
        self._output = PROBABILITIES if self._classes else outputs[0]

    def predict(
        self, columns: Mapping[str, Sequence[Any]]
    ) -> tuple[list[float], list[str], list[list[float]]]:
        """Scores, labels and probabilities for n rows given column by column."""
        feed = {name: _tensor(columns[name], kind) for name, kind in self._others}
        if self._floats:  # made at once, for each takes as long as all of them
            made = _floats([columns[name] for name in self._floats]).T
            for name, part in self._parts:
                feed[name] = made[:, part]
        (out,) = self._session.run([self._output], feed)
        if not self._classes:
            values: list[float] = out.reshape(-1).tolist()
            return values, [f"{value:.6g}" for value in values], []
        best = self._labels[out.argmax(axis=1)].tolist()
        score = out[:, -1] if len(self._classes) == 2 else out.max(axis=1)
        return score.tolist(), best, out.tolist()


def _session(model: bytes) -> onnxruntime.InferenceSession:
    """A session of a model, which keeps no copy of its bytes."""
    if len(model) <= SHORT:
        with suppress(Exception):  # what cannot be written as it was improved is loaded as longer ones are
            return _improved(model)
    with _file_in_memory() as (path, file):
        file.write(model)
        file.flush()
        return onnxruntime.InferenceSession(path, _options(), providers=_PROVIDERS)


def _improved(model: bytes) -> onnxruntime.InferenceSession:
    """A session of the graph that another one has improved.

    What improves graphs stays with the session that did so, and is larger than most models.
    """
    with _file_in_memory() as (path, _):
        options = _options()
        options.optimized_model_filepath = path
        onnxruntime.InferenceSession(model, options, providers=_PROVIDERS)
        options = _options()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        return onnxruntime.InferenceSession(path, options, providers=_PROVIDERS)


def _options() -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 3
    _share_memory()
    options.add_session_config_entry("session.use_env_allocators", "1")
    return options


@contextmanager
def _file_in_memory() -> Iterator[tuple[str, IO[bytes]]]:
    """A file that is on no disk, where the system knows such, and its path for this process."""
    if not hasattr(os, "memfd_create"):
        with NamedTemporaryFile() as file:
            yield file.name, file
        return
    with os.fdopen(os.memfd_create("model"), "wb") as file:
        yield f"/proc/self/fd/{file.fileno()}", file


@lru_cache(1)
def _share_memory() -> None:
    """Let all models of this process calculate in the same memory, instead of each keeping its own."""
    memory = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    onnxruntime.create_and_register_allocator(memory, None)


def _floats(columns: list[Sequence[Any]]) -> npt.NDArray[np.float32]:
    """The k columns of n numbers as an array of shape (k, n); what is missing is not a number."""
    if np.ndarray in set(map(type, columns)):
        return np.array(columns, dtype=np.float32)
    try:
        packed = struct.pack(
            f"{len(columns) * len(columns[0])}f", *chain.from_iterable(columns)
        )  # twice as fast as below
    except (struct.error, OverflowError):
        return np.array(columns, dtype=np.float32)
    return np.frombuffer(packed, np.float32).reshape(len(columns), -1)


def _tensor(values: Sequence[Any], kind: str) -> npt.NDArray[Any]:
    """The tensor of shape (n, 1) that the graph expects."""
    if kind == "tensor(string)":
        return np.array([["" if value is None else value] for value in values], dtype=object)
    if None in values:
        values = [np.nan if value is None else value for value in values]
    return np.array(values, dtype=_NUMPY[kind]).reshape(-1, 1)
