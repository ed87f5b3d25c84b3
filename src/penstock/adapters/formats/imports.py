"""Models made elsewhere brought into a form that is served: the work of an import, in a child process."""

from __future__ import annotations

import io
import sys
import warnings
from typing import Any

import msgspec
import numpy as np
import polars as pl
from msgspec.structs import replace

from penstock.adapters.executors.environment import packages
from penstock.adapters.formats.conversion import used_columns
from penstock.adapters.formats.foreign import ForeignOnnx
from penstock.adapters.formats.mlmodel import Opened, open_folder
from penstock.adapters.formats.native import Answering, NativeModel
from penstock.adapters.formats.onnx import FORMAT, OnnxRuntime
from penstock.adapters.formats.onnx_files import in_one_file
from penstock.adapters.formats.parity import beside, with_nulls
from penstock.adapters.formats.publish import (
    Converted,
    Schema,
    candidate_of,
    examples_of,
    make_candidate,
    served_answers,
)
from penstock.adapters.formats.skops_files import from_skops
from penstock.adapters.formats.values import write
from penstock.core.errors import InvalidValue, StepFailed, UnsupportedModel
from penstock.datasets.columns import column_type
from penstock.datasets.profiles import profile
from penstock.datasets.types import Column
from penstock.deployments.truth import metrics_of, truth_number
from penstock.lineage.ports import Blobs
from penstock.models.imports import Import, Pieces
from penstock.models.types import Signature
from penstock.pipelines.types import Candidate
from penstock.runs.types import Artifact

EXAMPLES = 500
"""Rows on which parity is measured, evenly taken of those that were given."""
_FIX = "Give rows as clients will send them with --examples FILE; --label names the truth among them."
_POLARS = {"float": pl.Float64, "int": pl.Int64, "bool": pl.Boolean, "string": pl.String}


def import_candidate(given: Import, blobs: Blobs) -> Candidate:
    """What an import becomes: converted where that can be, measured against the model as it came, and asked
    the examples.

    A pickle runs whatever it names, so this is done in a process of its own.
    Raises UnsupportedModel or InvalidValue, saying what does not fit.
    """
    opened = _opened(given, blobs)
    frame = _rows(given, opened, blobs)
    inputs = frame.drop(given.label) if given.label else frame
    if opened.kind == "onnx":
        candidate = _of_onnx(given, opened, frame, inputs, blobs)
    else:
        candidate = _of_estimator(given, opened, frame, inputs, blobs)
    made_with = {"made_with": opened.requirements} if opened.requirements else {}
    return replace(candidate, metadata={**candidate.metadata, **made_with})


def _opened(given: Import, blobs: Blobs) -> Opened:
    def read(path: str) -> bytes:
        return _whole(given.files[path], blobs)

    if given.kind == "mlflow":
        opened = open_folder(tuple(given.files), read)
    else:
        [path] = given.files
        data = read(path)
        opened = Opened(
            kind=given.kind, data=in_one_file(path, {path: data}) if given.kind == "onnx" else data
        )
    if opened.kind == "pickle" and not given.unsafe:
        raise UnsupportedModel(
            what="The model is a pickle, which runs whatever code it names when it is read",
            expected="ONNX or skops",
            fix="Save it as one of these, or take it at its maker's word: --unsafe-pickle REASON.",
        )
    return opened


def _whole(pieces: Pieces, blobs: Blobs) -> bytes:
    return b"".join(map(blobs.get, pieces))


def _rows(given: Import, opened: Opened, blobs: Blobs) -> pl.DataFrame:
    """The examples, with the label if there is one, the columns of the types that the model's file tells."""
    if given.examples:
        frame = _table(_whole(given.examples, blobs), given.rows)
    elif opened.examples is not None:
        frame = opened.examples
    else:
        raise InvalidValue(
            what="It needs examples: answers to them are recorded, and what serves is held to them",
            expected="at least one row",
            found="none",
            fix=_FIX,
        )
    if given.label and given.label not in frame.columns:
        raise InvalidValue(
            what=f"The examples have no column {given.label}",
            expected="the column that --label names",
            found=", ".join(frame.columns),
        )
    if not frame.height:
        raise InvalidValue(what="The examples have no rows", fix=_FIX)
    if not opened.inputs:
        return frame
    if missing := [column.name for column in opened.inputs if column.name not in frame.columns]:
        raise InvalidValue(
            what="The examples do not fit the model's signature",
            expected=f"the columns {', '.join(column.name for column in opened.inputs)}",
            found=f"none called {', '.join(missing)}",
        )
    truth = [given.label] if given.label else []
    try:
        return frame.select(*(pl.col(c.name).cast(_POLARS[c.dtype]) for c in opened.inputs), *truth)
    except pl.exceptions.PolarsError as error:
        raise InvalidValue(
            what="The examples do not fit the model's signature", found=str(error).split("\n")[0][:200]
        ) from error


def _table(data: bytes, kind: str) -> pl.DataFrame:
    try:
        frame = (
            pl.read_parquet(io.BytesIO(data))
            if kind == "parquet"
            else pl.read_csv(data, infer_schema_length=None)
        )
    except pl.exceptions.PolarsError as error:
        raise InvalidValue(
            what="The examples cannot be read",
            expected="CSV with a header, or Parquet",
            found=str(error).split("\n")[0][:200],
        ) from error
    plain = {"float": pl.Float64, "int": pl.Int64, "string": pl.String}
    return frame.with_columns(
        pl.col(name).cast(plain[column_type(dtype)])
        for name, dtype in frame.schema.items()
        if column_type(dtype) in plain
    )


def _of_onnx(
    given: Import, opened: Opened, frame: pl.DataFrame, inputs: pl.DataFrame, blobs: Blobs
) -> Candidate:
    foreign = ForeignOnnx(opened.data, inputs)
    signature = foreign.signature(inputs)
    schema = _schema(given, signature.inputs, inputs)
    _, some = examples_of(schema, signature.inputs)
    rows = with_nulls(some, signature.inputs)
    truth = foreign.answer(rows)
    graph = foreign.written_anew()
    served = served_answers(OnnxRuntime(graph, signature), rows)
    apart, differ, parity = beside(truth, served, signature.classes, rows.height - some.height)
    parity.require(foreign.name)
    converted = Converted(FORMAT, graph, signature, rows, served, apart, differ, parity)
    holdout, metrics = _measured(given, foreign, signature, frame, blobs)
    made = candidate_of(given.model, foreign, converted, schema, holdout, blobs)
    return replace(made, metrics=metrics, dependencies=opened.requirements)


def _of_estimator(
    given: Import, opened: Opened, frame: pl.DataFrame, inputs: pl.DataFrame, blobs: Blobs
) -> Candidate:
    native = NativeModel(_loaded(opened))
    _require_columns(native, inputs)
    told = {column.name for column in opened.inputs if column.nullable}
    columns = tuple(
        Column(name=name, dtype=column_type(dtype), nullable=name in told or inputs[name].has_nulls())
        for name, dtype in inputs.schema.items()
    )
    if strange := [c.name for c in columns if c.dtype not in _POLARS and c.name in _wanted(native, inputs)]:
        raise InvalidValue(
            what="The examples do not fit the model",
            expected="numbers, booleans or text",
            found=f"{inputs.schema[strange[0]]} in {strange[0]}",
        )
    schema = _schema(given, tuple(c for c in columns if c.dtype in _POLARS), inputs)
    used = used_columns(native, schema.columns)
    holdout, metrics = _measured(given, native, native.signature(used), frame, blobs)
    return make_candidate(
        name=given.model,
        model=native.model,
        metrics=metrics,
        schema=msgspec.to_builtins(schema),
        holdout=holdout,
        blobs=blobs,
    )


def _loaded(opened: Opened) -> Any:
    """The estimator; what it warns of, such as another version of scikit-learn, goes to the step's log."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            found = _unpickled(opened.data) if opened.kind == "pickle" else from_skops(opened.data)
        except ModuleNotFoundError as error:
            raise UnsupportedModel(
                what=f"The model needs {error.name}, which the environment of the release lacks",
                fix=f"Add it to the project's dependencies: uv add {error.name}, and push.",
            ) from error
        except StepFailed as error:
            raise UnsupportedModel(
                what="The skops file holds types that are not trusted",
                expected="classes of scikit-learn, XGBoost, LightGBM and CatBoost",
                found=error.found or error.what,
            ) from error
        except Exception as error:
            raise UnsupportedModel(
                what=f"The model cannot be read as {opened.kind}",
                found=f"{type(error).__name__}: {error}"[:300],
                fix=f"The environment of the release has scikit-learn {packages().get('scikit-learn', '')}.",
            ) from error
    for each in caught:
        sys.stderr.write(f"warning: {each.message}\n")
    return found


def _unpickled(data: bytes) -> Any:
    import joblib  # reads what it has written itself, and what pickle has

    return joblib.load(io.BytesIO(data))  # asked for by name with a reason, in a process of its own


def _wanted(native: NativeModel, inputs: pl.DataFrame) -> tuple[str, ...]:
    return native.fitted_on or tuple(inputs.columns)


def _require_columns(native: NativeModel, inputs: pl.DataFrame) -> None:
    wide = getattr(native.model, "n_features_in_", inputs.width)
    missing = [name for name in native.fitted_on or () if name not in inputs.columns]
    if missing or (native.fitted_on is None and wide != inputs.width):
        raise InvalidValue(
            what=f"The examples do not fit the {native.name}",
            expected=f"the columns {', '.join(native.fitted_on)}" if native.fitted_on else f"{wide} columns",
            found=f"none called {', '.join(missing)}" if missing else ", ".join(inputs.columns),
            fix=_FIX,
        )


def _schema(given: Import, columns: tuple[Column, ...], inputs: pl.DataFrame) -> Schema:
    """What the examples tell of the inputs."""
    places = np.linspace(0, inputs.height - 1, min(inputs.height, EXAMPLES)).astype(np.int64)
    names = [column.name for column in columns]
    some = inputs.select(names)[places]
    return Schema(
        columns=columns,
        label=given.label,
        examples=some.to_dict(as_series=False),
        profile=profile(inputs, names),
    )


def _measured(
    given: Import, model: Answering, signature: Signature, frame: pl.DataFrame, blobs: Blobs
) -> tuple[Artifact, dict[str, float]]:
    """The examples with a label as a holdout, and what the model scores on them; without a label none."""
    if not given.label:
        return Artifact(digest="", format="arrow", size=0), {}
    names = [column.name for column in signature.inputs]
    known = frame.select(*names, given.label).filter(pl.col(given.label).is_not_null())
    if not known.height:
        raise InvalidValue(what=f"No example has a value in {given.label}", fix=_FIX)
    truth = [truth_number(signature, value) for value in known[given.label].to_list()]
    answers = model.answer(known.select(names))
    score = answers.score(len(signature.classes)).tolist()
    return write(known, blobs), metrics_of(signature, truth, score, answers.label)
