"""ONNX models made elsewhere: asked as they came, and written anew with one input per column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import onnxruntime
import polars as pl

from penstock.adapters.formats.native import Answers, class_name
from penstock.adapters.formats.needs import needing
from penstock.adapters.formats.onnx import PROBABILITIES
from penstock.adapters.formats.onnx_files import NEEDED, no_onnx
from penstock.core.errors import UnsupportedModel
from penstock.datasets.types import Column
from penstock.models.types import Signature, Task

_BEFORE = "imported/"
"""What the names of the model's own tensors begin with, so that columns may be called as they like."""
_VALUE = f"{_BEFORE}value"
_DTYPES = {
    "tensor(float)": "float",
    "tensor(double)": "float",
    "tensor(int64)": "int",
    "tensor(int32)": "int",
    "tensor(bool)": "bool",
    "tensor(string)": "string",
}
_NUMPY: dict[str, Any] = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(bool)": np.bool_,
    "tensor(string)": object,
}
_NUMBERS = ("tensor(float)", "tensor(double)")
_LABELS = ("tensor(int64)", "tensor(int32)", "tensor(string)", "tensor(bool)")
_CLASSES = ("classlabels_strings", "classlabels_int64s", "classlabels_ints")
_SUM = 1e-3
"""How far probabilities of a row may be from 1 together."""


class _Put(msgspec.Struct, frozen=True):
    """An input of the graph and the columns that go into it: one, or those of a matrix in their order."""

    name: str
    kind: str
    rank: int
    columns: tuple[str, ...]


class ForeignOnnx:
    """An ONNX classifier with probabilities, or regressor, as it came.

    Its inputs are columns of shape (n, 1) or (n,), or together one matrix of shape (n, columns).
    """

    name = "The ONNX model"

    def __init__(self, data: bytes, rows: pl.DataFrame) -> None:
        """`rows` are rows of columns that the model takes; those of a matrix in their order.

        Raises UnsupportedModel, saying what cannot be served.
        """
        with needing("onnx", NEEDED):
            import onnx

        self._session = _session(data)
        self._graph = onnx.load_from_string(data)
        self._puts = _puts(self._session.get_inputs(), rows)
        outs = self._session.get_outputs()
        self._label = next((out.name for out in outs if out.type in _LABELS), "")
        answer = self._answer_of(outs)
        self._values = answer.name
        self._maps = answer.type not in _NUMBERS
        self.classes: tuple[str, ...] = ()
        values, labels = self._ask(rows.head(32))
        self._shape(values, labels)

    def columns(self, rows: pl.DataFrame) -> tuple[Column, ...]:
        """The columns that it takes, nullable where these rows have nulls and it can be told so.

        Raises UnsupportedModel for nulls that it has no way to take.
        """
        found = []
        for put in self._puts:
            for name in put.columns:
                dtype = _DTYPES[put.kind]
                if rows[name].has_nulls() and dtype not in {"float", "string"}:
                    raise UnsupportedModel(
                        what=f"The examples have nulls in {name}, which {self.name} takes as {put.kind}",
                        expected="a value in every row",
                        fix="Leave these rows out, or have the model take floats.",
                    )
                found.append(Column(name=name, dtype=dtype, nullable=rows[name].has_nulls()))
        return tuple(found)

    def signature(self, rows: pl.DataFrame) -> Signature:
        """What it takes, as far as these rows tell, and gives."""
        tasks: dict[int, Task] = {0: "regression", 2: "binary"}
        task = tasks.get(len(self.classes), "multiclass")
        return Signature(task=task, inputs=self.columns(rows), classes=self.classes)

    def answer(self, frame: pl.DataFrame) -> Answers:
        """Its own answers for n rows. Raises UnsupportedModel when it fails on them."""
        values, labels = self._ask(frame)
        if not np.isfinite(values).all():
            raise UnsupportedModel(
                what=f"{self.name} answers some examples with no number",
                expected="a finite number for every row",
                fix="Leave out rows with nulls, or impute them in the model.",
            )
        if not self.classes:
            return Answers(values, [f"{value:.6g}" for value in values[:, 0]])
        if labels is None:
            labels = [self.classes[place] for place in values.argmax(axis=1).tolist()]
        return Answers(values, labels)

    def written_anew(self) -> bytes:
        """The model with one input of shape (n, 1) per column, and what it is asked for as its output."""
        with needing("onnx", NEEDED):
            from onnx import TensorProto, compose, helper

        types = {
            "tensor(float)": TensorProto.FLOAT,
            "tensor(double)": TensorProto.DOUBLE,
            "tensor(int64)": TensorProto.INT64,
            "tensor(int32)": TensorProto.INT64,  # what is served takes whole numbers of one kind
            "tensor(bool)": TensorProto.BOOL,
            "tensor(string)": TensorProto.STRING,
        }
        model = compose.add_prefix(self._graph, _BEFORE)
        graph, nodes = model.graph, []
        own = {_BEFORE + put.name for put in self._puts}
        kept = [each for each in graph.input if each.name not in own]
        for put in self._puts:
            inside, last = _BEFORE + put.name, f"{_BEFORE}{put.name}/columns"
            kept += [helper.make_tensor_value_info(c, types[put.kind], [None, 1]) for c in put.columns]
            nodes.append(helper.make_node("Concat", list(put.columns), [last], axis=1))
            if put.rank == 1:
                graph.initializer.append(helper.make_tensor(f"{last}/all", TensorProto.INT64, [1], [-1]))
                nodes.append(helper.make_node("Reshape", [last, f"{last}/all"], [f"{last}/flat"]))
                last = f"{last}/flat"
            wanted = TensorProto.INT32 if put.kind == "tensor(int32)" else 0
            nodes.append(
                helper.make_node("Cast", [last], [inside], to=wanted)
                if wanted
                else helper.make_node("Identity", [last], [inside])
            )
        out = PROBABILITIES if self.classes else _VALUE
        nodes += [*graph.node]
        values = _BEFORE + self._values
        if self._maps:
            zipmap = self._zipmap(nodes, values)
            nodes.remove(zipmap)
            values = zipmap.input[0]
        nodes.append(helper.make_node("Cast", [values], [out], to=TensorProto.FLOAT))
        del graph.node[:], graph.input[:], graph.output[:]
        graph.node.extend(nodes)
        graph.input.extend(kept)
        shape = [None, len(self.classes)] if self.classes else None
        graph.output.append(helper.make_tensor_value_info(out, TensorProto.FLOAT, shape))
        if not any(opset.domain in {"", "ai.onnx"} for opset in model.opset_import):
            model.opset_import.append(helper.make_opsetid("", 13))
        serialized: bytes = model.SerializeToString(deterministic=True)
        return serialized

    def _answer_of(self, outs: Sequence[Any]) -> Any:
        """The output with its numbers. Raises UnsupportedModel where there is none, or more than one."""
        answers = [out for out in outs if out.type in _NUMBERS or out.type.startswith("seq(map(")]
        if len(answers) == 1:
            return answers[0]
        found = ", ".join(f"{out.name}: {out.type}" for out in answers or outs)
        if answers:
            raise UnsupportedModel(
                what=f"{self.name} has several outputs of numbers",
                expected="one, with or without labels beside it",
                found=found,
                fix="Keep the one that is meant: onnx.utils.extract_model(FILE, NEW, INPUTS, [OUTPUT]).",
            )
        raise UnsupportedModel(
            what=f"{self.name} gives labels and no probabilities",
            expected="an output of shape (n, classes)" if self._label else "an output of numbers",
            found=found,
            fix="Convert it again with its probabilities.",
        )

    def _ask(self, rows: pl.DataFrame) -> tuple[npt.NDArray[np.float64], list[str] | None]:
        """Values of shape (n, classes), or (n, 1), and the labels, where it gives any."""
        feed = {put.name: _tensor(put, rows) for put in self._puts}
        wanted = [self._values, *([self._label] if self._label else [])]
        try:
            found = self._session.run(wanted, feed)
        except Exception as error:
            raise UnsupportedModel(
                what=f"{self.name} fails on the examples", found=str(error).split("\n")[0][:300]
            ) from error
        values = [list(row.values()) for row in found[0]] if self._maps else found[0]
        made = np.asarray(values, dtype=np.float64)
        if made.shape[:1] != (rows.height,):
            raise UnsupportedModel(
                what=f"{self.name} does not answer row by row",
                expected=f"as many answers as rows, {rows.height}",
                found=f"an output of shape {list(made.shape)}",
            )
        labels = [class_name(each) for each in found[1].reshape(-1).tolist()] if self._label else None
        return (made.reshape(-1, 1) if made.ndim == 1 else made), labels

    def _shape(self, values: npt.NDArray[np.float64], labels: list[str] | None) -> None:
        """Find out what the answers are. Raises UnsupportedModel where they are nothing that is served."""
        if values.ndim != 2 or (labels is not None and values.shape[1] < 2):
            raise UnsupportedModel(
                what=f"{self.name} gives answers that are not served",
                expected="a number for each row, or a probability for each class",
                found=f"an output of shape {list(values.shape)}",
            )
        if values.shape[1] == 1:
            return
        if (values < -_SUM).any() or (np.abs(values.sum(axis=1) - 1) > _SUM).any():
            raise UnsupportedModel(
                what=f"{self.name} gives several numbers for each row that are no probabilities",
                expected="one number, or probabilities that sum to 1",
                found=str([round(float(each), 4) for each in values[0]][:8]),
                fix="End the model with a Softmax.",
            )
        self.classes = self._class_names(values.shape[1], labels)

    def _class_names(self, count: int, labels: list[str] | None) -> tuple[str, ...]:
        nodes = [*self._graph.graph.node]
        with needing("onnx", NEEDED):
            from onnx import helper, numpy_helper

        named = [helper.get_attribute_value(a) for n in nodes for a in n.attribute if a.name in _CLASSES]
        chosen = {n.input[0] for n in nodes if n.op_type == "ArrayFeatureExtractor"}
        named += [numpy_helper.to_array(i) for i in self._graph.graph.initializer if i.name in chosen]
        for found in named:
            names = tuple(class_name(_text(each)) for each in np.asarray(found).reshape(-1).tolist())
            if len(names) == count and set(labels or ()) <= set(names):
                return names
        numbers = tuple(map(str, range(count)))
        if set(labels or ()) <= set(numbers):
            return numbers
        raise UnsupportedModel(
            what=f"{self.name} does not say which class its probabilities are of",
            expected=f"the names of {count} classes in the graph",
            found=f"labels such as {', '.join(sorted(set(labels or ()))[:5])}",
        )

    def _zipmap(self, nodes: Sequence[Any], output: str) -> Any:
        found = next((n for n in nodes if n.op_type == "ZipMap" and output in n.output), None)
        if found is None:
            raise UnsupportedModel(
                what=f"{self.name} gives its probabilities as dictionaries",
                expected="a tensor of shape (n, classes)",
                fix="Convert it again with zipmap=False.",
            )
        return found


def _session(data: bytes) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise no_onnx(error) from error


def _puts(inputs: Sequence[Any], rows: pl.DataFrame) -> tuple[_Put, ...]:
    """The inputs with their columns. Raises UnsupportedModel where they do not fit."""
    for put in inputs:
        rank = len(put.shape or ())
        if put.type not in _DTYPES or rank not in {1, 2} or isinstance(put.shape[0], int):
            raise UnsupportedModel(
                what=f"The input {put.name} of the ONNX model is not served",
                expected="columns of numbers, booleans or text, for any number of rows",
                found=f"{put.type} of shape {put.shape}",
            )
    first = inputs[0]
    if len(inputs) == 1 and len(first.shape) == 2 and not (first.shape[1] == 1 and first.name in rows):
        wide = first.shape[1]
        if isinstance(wide, int) and wide != rows.width:
            raise UnsupportedModel(
                what="The examples do not fit the ONNX model",
                expected=f"{wide} columns in the order of its input {first.name}",
                found=f"{rows.width}: {', '.join(rows.columns)}",
                fix="Name the column with what really happened with --label, and leave others out.",
            )
        return (_Put(first.name, first.type, 2, tuple(rows.columns)),)
    if wide := [put for put in inputs if len(put.shape) == 2 and put.shape[1] != 1]:
        raise UnsupportedModel(
            what="The ONNX model takes several matrices",
            expected="one, or columns of shape (n, 1)",
            found=", ".join(f"{put.name} of shape {put.shape}" for put in wide),
        )
    names = [put.name for put in inputs]
    if missing := [name for name in names if name not in rows.columns]:
        raise UnsupportedModel(
            what="The examples do not fit the ONNX model",
            expected=f"the columns {', '.join(names)}",
            found=f"none called {', '.join(missing)}",
        )
    return tuple(_Put(put.name, put.type, len(put.shape), (put.name,)) for put in inputs)


def _tensor(put: _Put, rows: pl.DataFrame) -> npt.NDArray[Any]:
    """What goes into an input for n rows: missing numbers as NaN, missing text as the empty string."""
    kind = _NUMPY[put.kind]
    dtype = {"float": pl.Float64, "int": pl.Int64, "bool": pl.Boolean, "string": pl.String}[_DTYPES[put.kind]]
    missing: Any = {"float": float("nan"), "string": ""}.get(_DTYPES[put.kind])
    columns = []
    for name in put.columns:
        try:
            column = rows[name].cast(dtype)
        except pl.exceptions.PolarsError as error:
            raise UnsupportedModel(
                what=f"The examples do not fit the ONNX model, which takes {name} as {_DTYPES[put.kind]}",
                found=str(error).split("\n")[0][:200],
            ) from error
        if column.dtype == pl.String and rows[name].dtype != pl.String:
            raise UnsupportedModel(
                what=f"The examples do not fit the ONNX model, which takes {name} as text",
                found=str(rows[name].dtype),
            )
        columns.append((column if missing is None else column.fill_null(missing)).to_numpy().astype(kind))
    return columns[0] if put.rank == 1 else np.column_stack(columns)


def _text(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value
