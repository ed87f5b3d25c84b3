"""What a session of ONNX Runtime takes beside its graph, and that it answers as the graph does."""

from __future__ import annotations

import ctypes

import numpy as np
import onnxruntime
import pytest
from onnx import load_from_string

from penstock.adapters.formats import onnx
from penstock.adapters.formats.onnx import OnnxRuntime
from penstock.core.errors import Corrupt
from penstock.testing.prediction import SIGMOID_SIGNATURE
from penstock.testing.tiny_onnx import sigmoid_graph

COLUMNS = {"wind": [None, -1.0, 0.5, 2.0], "carrier": ["UA", "AA", "UA", "B6"]}
MANY = 20
FIELDS = ("arena", "ordblks", "smblks", "hblks", "mapped", "usmblks", "fsmblks", "used", "free", "keepcost")


class Malloc(ctypes.Structure):
    """What glibc's `mallinfo2` tells."""

    _fields_ = [(name, ctypes.c_size_t) for name in FIELDS]


def held() -> int:
    """Bytes that were asked of malloc and not given back."""
    mallinfo2 = ctypes.CDLL(None).mallinfo2
    mallinfo2.restype = Malloc
    told = mallinfo2()
    return int(told.used + told.mapped)


def bare(graph: bytes) -> onnxruntime.InferenceSession:
    """A session as anybody would make it for small questions."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(graph, options)


def test_many_short_models_take_less_than_as_many_bare_sessions() -> None:
    graph = sigmoid_graph(2.0)
    kept: list[object] = [OnnxRuntime(graph, SIGMOID_SIGNATURE), bare(graph)]
    begin = held()
    kept += [OnnxRuntime(graph, SIGMOID_SIGNATURE) for _ in range(MANY)]
    ours = held() - begin
    kept += [bare(graph) for _ in range(MANY)]
    assert ours < 0.7 * (held() - begin - ours)


def test_of_a_long_model_no_copy_is_kept() -> None:
    model = load_from_string(sigmoid_graph(2.0))
    model.doc_string = "." * 16 * onnx.SHORT
    long = model.SerializeToString()
    del model
    OnnxRuntime(long, SIGMOID_SIGNATURE)
    begin, size = held() - len(long), len(long)
    kept = OnnxRuntime(long, SIGMOID_SIGNATURE)
    del long
    assert held() - begin < 2.5 * size  # ONNX Runtime holds a description twice
    assert kept.predict(COLUMNS)


@pytest.mark.parametrize("short", [0, onnx.SHORT])
def test_a_model_answers_the_same_however_it_is_loaded(short: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx, "SHORT", short)
    wind = np.array([[np.nan], [-1.0], [0.5], [2.0]], np.float32)
    carrier = np.array([["UA"], ["AA"], ["UA"], ["B6"]], object)
    (told,) = bare(sigmoid_graph(2.0)).run(None, {"wind": wind, "carrier": carrier})
    assert OnnxRuntime(sigmoid_graph(2.0), SIGMOID_SIGNATURE).predict(COLUMNS)[2] == told.tolist()


@pytest.mark.parametrize("short", [0, onnx.SHORT])
def test_what_is_no_model_is_refused(short: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx, "SHORT", short)
    with pytest.raises(Corrupt, match="cannot be loaded by ONNX Runtime"):
        OnnxRuntime(b"no graph", SIGMOID_SIGNATURE)
