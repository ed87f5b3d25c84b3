"""What becomes of models made elsewhere, and what is said of those that cannot be served."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import joblib
import msgspec
import numpy as np
import onnx
import polars as pl
import pytest
import skops.io
from onnx import TensorProto, helper, numpy_helper
from skl2onnx import to_onnx
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OrdinalEncoder

from penstock.adapters.formats.imports import import_candidate
from penstock.adapters.formats.loading import load
from penstock.core.errors import InvalidValue
from penstock.models.imports import Import, kind_of
from penstock.models.types import Signature
from penstock.pipelines.types import Candidate
from penstock.serving.answers import Examples, disagreement
from penstock.testing.fakes import MemoryBlobs

SIZES = np.random.default_rng(5).normal(size=(200, 2)).astype(np.float32)
LATE = SIZES @ np.array([1.0, -2.0]) + np.random.default_rng(6).normal(size=200) > 0
FRAME = pl.DataFrame(SIZES, schema=["wind", "load"])
TABLE = FRAME.with_columns(late=pl.Series(LATE.astype(int)))
KINDS = np.where(LATE, "late", "fine")


class Imported:
    """A candidate with the blobs that it names."""

    def __init__(self, candidate: Candidate, blobs: MemoryBlobs) -> None:
        self.candidate = candidate
        self.signature = msgspec.convert(candidate.signature, Signature)
        self.runtime = load(candidate.format, blobs.get(candidate.artifact), self.signature)
        examples = msgspec.json.decode(blobs.get(candidate.examples), type=Examples)
        assert disagreement(self.runtime, examples, self.signature) == ""
        assert len(examples.score) == 32


def brought(
    data: bytes | dict[str, bytes], kind: str = "onnx", table: pl.DataFrame | None = TABLE, **more: Any
) -> Imported:
    blobs = MemoryBlobs()
    files = data if isinstance(data, dict) else {"model": data}
    kept = {path: [blobs.put(part[:100]), blobs.put(part[100:])] for path, part in files.items()}
    if table is not None:
        rows = io.BytesIO()
        table.write_csv(rows)
        more = {"examples": [blobs.put(rows.getvalue())], "rows": "csv"} | more
    given = {"model": "delay", "kind": kind, "source": "/there", "digest": "d", "files": kept, **more}
    return Imported(import_candidate(msgspec.convert(given, Import), blobs), blobs)


def joblib_dumps(model: Any) -> bytes:
    file = io.BytesIO()
    joblib.dump(model, file)
    return file.getvalue()


def graph(nodes: list[Any], outs: str = "Y", weights: Sequence[Any] = ()) -> bytes:
    made = helper.make_graph(
        nodes,
        "made",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, 2])],
        [helper.make_tensor_value_info(out, TensorProto.FLOAT, None) for out in outs],
        initializer=weights,
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.shop", 1)]
    return helper.make_model(made, opset_imports=opsets, ir_version=9).SerializeToString()


@pytest.mark.parametrize("zipmap", [True, False])
def test_a_classifier_over_one_matrix_is_asked_by_columns(zipmap: bool) -> None:
    model = LogisticRegression().fit(SIZES, KINDS)
    data = to_onnx(model, SIZES[:1], options={"zipmap": zipmap}).SerializeToString()
    table = FRAME.with_columns(late=pl.Series(KINDS))
    found = brought(data, table=table, label="late")
    assert [(c.name, c.dtype) for c in found.signature.inputs] == [("wind", "float"), ("load", "float")]
    assert found.signature.classes == ("fine", "late")
    assert found.candidate.parity["different"] == found.candidate.parity["flips"] == 0
    score, label, _ = found.runtime.predict(FRAME.to_dict(as_series=False))
    np.testing.assert_allclose(score, model.predict_proba(SIZES)[:, 1], atol=1e-5)
    assert label == model.predict(SIZES).tolist()
    assert found.candidate.metrics["roc_auc"] > 0.9
    assert found.candidate.holdout


def test_a_regressor_takes_columns_of_its_own_kinds_and_nulls_where_the_examples_have_them() -> None:
    frame = pl.DataFrame({"carrier": ["AA", "UA"] * 50, "wind": [1.0, None] * 50})
    fit = make_pipeline(
        ColumnTransformer([("carrier", OrdinalEncoder(), ["carrier"])]), LinearRegression()
    ).fit(frame, range(100))
    data = to_onnx(fit, frame[:1].to_pandas()[["carrier"]]).SerializeToString()
    found = brought(data, table=frame)
    assert [(c.name, c.dtype) for c in found.signature.inputs] == [("carrier", "string")]
    assert found.signature.task == "regression"
    assert not found.candidate.metrics
    score, _, _ = found.runtime.predict({"carrier": ["AA", "UA"]})
    np.testing.assert_allclose(score, fit.predict(frame[:2]), rtol=1e-5)


def test_a_network_with_probabilities_has_its_classes_by_place() -> None:
    found = brought(graph([helper.make_node("Softmax", ["X"], ["Y"])]), table=FRAME)
    assert found.signature.task == "binary"
    assert found.signature.classes == ("0", "1")


def test_a_skops_file_becomes_a_graph() -> None:
    found = brought(skops.io.dumps(LogisticRegression().fit(FRAME, LATE)), "skops", label="late")
    assert found.candidate.format == "onnx"
    assert found.signature.classes == ("false", "true")
    assert found.candidate.metrics["roc_auc"] > 0.9


def test_a_skops_file_that_does_not_convert_is_served_as_it_is() -> None:
    model = make_pipeline(FunctionTransformer(np.sign), LogisticRegression()).fit(SIZES, LATE)
    found = brought(skops.io.dumps(model), "skops", FRAME)
    assert found.candidate.format == "skops"
    assert "served_natively" in found.candidate.metadata


@pytest.mark.filterwarnings("ignore")  # of pandas, in MLflow
def test_a_folder_of_mlflow_tells_inputs_examples_and_packages(tmp_path: Path) -> None:
    sklearn = pytest.importorskip("mlflow.sklearn")
    infer = pytest.importorskip("mlflow.models").infer_signature
    model, frame = LogisticRegression().fit(FRAME, LATE), FRAME.to_pandas()
    sklearn.save_model(
        model,
        str(tmp_path / "m"),
        serialization_format="pickle",
        signature=infer(frame, LATE),
        input_example=frame[:40],
        pip_requirements=["scikit-learn==1.9.0"],
    )
    files = {str(f.relative_to(tmp_path / "m")): f.read_bytes() for f in (tmp_path / "m").rglob("*.*")}
    files["MLmodel"] = (tmp_path / "m" / "MLmodel").read_bytes()
    assert kind_of(files) == "mlflow"
    with pytest.raises(InvalidValue, match=r"is a pickle, which runs .*--unsafe-pickle REASON"):
        brought(files, "mlflow", None)
    found = brought(files, "mlflow", None, unsafe="our own, of 2024")
    assert found.candidate.format == "onnx"
    assert [column.name for column in found.signature.inputs] == ["wind", "load"]
    assert found.candidate.metadata["made_with"]["scikit-learn"] == "1.9.0"


@pytest.mark.parametrize("write", [pickle.dumps, joblib_dumps], ids=["pickle", "joblib"])
def test_a_pickle_that_was_asked_for_by_name_becomes_a_graph(write: Callable[[Any], bytes]) -> None:
    data = write(LogisticRegression().fit(FRAME, LATE))
    assert brought(data, "pickle", FRAME, unsafe="our own").candidate.format == "onnx"


def test_weights_that_lie_beside_a_graph_are_taken_into_it(tmp_path: Path) -> None:
    weights = numpy_helper.from_array(np.eye(2, dtype=np.float32), "W")
    nodes = [helper.make_node("MatMul", ["X", "W"], ["Z"]), helper.make_node("Softmax", ["Z"], ["Y"])]
    model = onnx.load_from_string(graph(nodes, weights=[weights]))
    onnx.save(model, tmp_path / "model.onnx", save_as_external_data=True, location="w", size_threshold=0)
    files = {name: (tmp_path / name).read_bytes() for name in ("model.onnx", "w")}
    with pytest.raises(InvalidValue, match=r"lie in other files, which are not here: found .*w\b"):
        brought(files["model.onnx"], table=FRAME)
    files["MLmodel"] = b"flavors:\n  onnx:\n    data: model.onnx\n"
    assert brought(files, "mlflow", FRAME).signature.classes == ("0", "1")


ONNX = graph([helper.make_node("Softmax", ["X"], ["Y"])])
REFUSED: dict[str, tuple[bytes, str, dict[str, Any], str]] = {
    "corrupt": (ONNX[:40], "onnx", {}, "no ONNX model that ONNX Runtime can load"),
    "an operator": (
        graph([helper.make_node("Secret", ["X"], ["Y"], domain="com.shop")]),
        "onnx",
        {},
        "found .*Secret.*operators of ONNX",
    ),
    "two heads": (
        graph([helper.make_node(op, ["X"], [out]) for op, out in (("Softmax", "Y"), ("Exp", "Z"))], "YZ"),
        "onnx",
        {"table": FRAME},
        "several outputs of numbers.*found Y: .*, Z: .*extract_model",
    ),
    "one number for all": (
        graph([helper.make_node("ReduceSum", ["X"], ["Y"])]),
        "onnx",
        {"table": FRAME},
        "does not answer row by row.*32",
    ),
    "no probabilities": (
        graph([helper.make_node("Identity", ["X"], ["Y"])]),
        "onnx",
        {"table": FRAME},
        "no probabilities.*Softmax",
    ),
    "columns": (ONNX, "onnx", {}, "expected 2 columns.*found 3: wind, load, late.*--label"),
    "text": (ONNX, "onnx", {"table": FRAME.with_columns(wind=pl.lit("x"))}, "takes wind as float"),
    "nulls": (ONNX, "onnx", {"table": FRAME.with_columns(load=pl.lit(None, pl.Float64))}, "with no number"),
    "no examples": (ONNX, "onnx", {"table": None}, "It needs examples.*--examples"),
    "no such label": (ONNX, "onnx", {"label": "lat"}, "no column lat.*found wind, load, late"),
    "names": (
        skops.io.dumps(LogisticRegression().fit(FRAME, LATE)),
        "skops",
        {"table": FRAME.rename({"load": "weight"})},
        "do not fit the LogisticRegression.*found none called load",
    ),
    "no skops": (b"PK", "skops", {}, "cannot be read as skops"),
    "no pickle": (b"\x80", "pickle", {"unsafe": "mine"}, "cannot be read as pickle"),
    "a pickle": (pickle.dumps(1), "pickle", {}, "--unsafe-pickle REASON"),
    "no estimator": (pickle.dumps(1), "pickle", {"unsafe": "mine"}, "found a int"),
    "no folder": (b"flavors: 3", "mlflow", {}, "is not MLflow's"),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_served_is_told_in_a_sentence(case: tuple[bytes, str, dict[str, Any], str]) -> None:
    data, kind, more, sentence = case
    with pytest.raises(InvalidValue, match=sentence):
        brought({"MLmodel": data} if kind == "mlflow" else data, kind, **more)
