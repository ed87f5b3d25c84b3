"""Makes a trained model ready for the registry: converted, measured against itself, with recorded answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl
from msgspec.structs import replace

from penstock.adapters.executors.environment import packages
from penstock.adapters.formats.conversion import graphs, used_columns
from penstock.adapters.formats.estimator import estimator, related
from penstock.adapters.formats.influence import influence
from penstock.adapters.formats.native import Answering, Answers, NativeModel
from penstock.adapters.formats.onnx import FORMAT, OnnxRuntime
from penstock.adapters.formats.parity import Parity, agreeing, beside, emptied, with_nulls
from penstock.adapters.formats.pickling import from_pickle, to_pickle
from penstock.adapters.formats.skops_files import as_skops, from_skops
from penstock.core.errors import Corrupt, InvalidValue, StepFailed, UnsupportedModel
from penstock.datasets.days import SCORE, Days, daily, with_column
from penstock.datasets.profiles import profile
from penstock.datasets.types import Column, Prior, Profile
from penstock.features.types import Computed, OnlineView, Origins
from penstock.lineage.ports import Blobs
from penstock.models.types import NATIVE, PICKLE, Signature
from penstock.pipelines.types import Candidate
from penstock.runs.types import Artifact

_EXAMPLES = 32
_POLARS = {"float": pl.Float64, "int": pl.Int64, "bool": pl.Boolean, "string": pl.String}


class Schema(msgspec.Struct, frozen=True, kw_only=True):
    """What a training set says of itself.

    `columns` are the inputs, without the label; `examples` holds up to 500 rows of them,
    column by column; `profile` describes the training rows, and `prior` the label in them, `days` all
    rows by the day of the column `time`; `views` are the feature views that some of the columns
    come from, `computed` the features that are computed of other columns. `expectations` tells of
    the rules that the training rows were held against.
    """

    columns: tuple[Column, ...]
    label: str
    examples: dict[str, list[Any]]
    profile: Profile
    prior: Prior | None = None
    days: Days | None = None
    time: str = ""
    views: tuple[OnlineView, ...] = ()
    computed: tuple[Computed, ...] = ()
    expectations: dict[str, Any] = {}


class Converted(msgspec.Struct, frozen=True):
    """A model as it will be served, and how it answers n rows beside the one that was trained.

    `because` says why it is not served as a graph.
    """

    format: str
    data: bytes
    signature: Signature
    rows: pl.DataFrame
    truth: Answers
    apart: npt.NDArray[np.float64]
    differ: npt.NDArray[np.bool_]
    parity: Parity
    because: str = ""


def make_candidate(
    *,
    name: str,
    model: Any,
    metrics: Mapping[str, float],
    schema: Mapping[str, Any],
    holdout: Artifact,
    blobs: Blobs,
    snapshots: Sequence[str] = (),
    tags: Mapping[str, str] | None = None,
    metadata: Mapping[str, Any] | None = None,
    unsafe_pickle: bool = False,
) -> Candidate:
    """Convert a fitted scikit-learn model, prove that it still answers the same, and store it.

    One that does not convert, or does not agree with itself afterwards, is kept as a skops file, which its
    own library will answer in the environment of its release; `metadata` says why, as `served_natively`.
    One that skops cannot keep either is pickled where `unsafe_pickle` says so.

    `schema` is the schema of the training set (see `Schema`), `snapshots` the ids of what was read,
    `tags` and `metadata` what the pipeline says of it.
    A column may be null in a request where the schema says so and the model answers rows without it.
    Raises UnsupportedModel when neither is possible,
    InvalidValue when a metric is not a finite number.
    """
    given = _schema(schema)
    native = NativeModel(model)
    columns, frame = examples_of(given, used_columns(native, given.columns))
    declared = {column.name for column in given.columns if column.nullable}
    nullable = _nullable(native, columns, frame, declared)
    try:
        converted = _convert(native, nullable, frame)
        if not converted.parity.acceptable():
            converted = _convert(native, columns, frame)
        converted.parity.require(native.name)
    except (UnsupportedModel, Corrupt) as error:
        converted = _as_it_is(native, nullable, frame, error, unsafe_pickle)
    told = dict(metadata or {}) | ({"served_natively": converted.because} if converted.because else {})
    return replace(
        candidate_of(name, native, converted, given, holdout, blobs),
        metrics=_finite(metrics),
        snapshots=tuple(snapshots),
        dependencies=packages(),
        tags=dict(tags or {}),
        metadata=told,
    )


def candidate_of(  # noqa: PLR0917 - a model, what became of it, and the rows that tell of it
    name: str, native: Answering, converted: Converted, schema: Schema, holdout: Artifact, blobs: Blobs
) -> Candidate:
    """Keep a model that was converted, with what its examples and its holdout tell of it."""
    kept = _of_holdout(schema, native, converted.signature, holdout, blobs)
    frame = converted.rows.head(converted.parity.rows - converted.parity.null_rows)
    return Candidate(
        model=name,
        format=converted.format,
        artifact=blobs.put(converted.data),
        size=len(converted.data),
        signature=msgspec.to_builtins(converted.signature),
        metrics={},
        profile=msgspec.to_builtins(schema.profile),
        examples=blobs.put(_record(converted)),
        holdout=holdout.digest,
        label=schema.label,
        parity=msgspec.to_builtins(converted.parity),
        prior=msgspec.to_builtins(schema.prior) if schema.prior else {},
        origins=_origins(schema, converted.signature),
        days=kept.get("days", ""),
        estimator=kept.get("estimator", ""),
        influence=influence(native, frame, len(converted.signature.classes)),
        expectations=schema.expectations,
    )


def _of_holdout(
    schema: Schema, native: Answering, signature: Signature, holdout: Artifact, blobs: Blobs
) -> dict[str, str]:
    """What answers to the holdout tell, kept by digest: the days, with these answers as a column more, and
    the estimator. A holdout without a digest is none.
    """
    if not holdout.digest:
        return {}
    held = pl.read_ipc(blobs.path(holdout.digest))
    answers = native.answer(held.select(column.name for column in signature.inputs))
    learnt = estimator(signature, answers, held, schema.label, schema.profile)
    found: dict[str, msgspec.Struct | None] = {"estimator": learnt}
    if schema.days and schema.time:
        scores = pl.DataFrame({schema.time: held[schema.time], SCORE: answers.score(len(signature.classes))})
        days = with_column(schema.days, daily(scores, schema.time, profile(scores, [SCORE])))
        if learnt:
            of = {"label": schema.label, "time": schema.time}
            relation = related(learnt, signature, answers, held, **of, training=schema.profile)
            days = replace(days, relation=relation)
        found["days"] = days
    else:
        found["days"] = schema.days
    return {name: blobs.put(msgspec.json.encode(each)) for name, each in found.items() if each is not None}


def _schema(schema: Mapping[str, Any]) -> Schema:
    try:
        given = msgspec.convert(dict(schema), Schema)
    except msgspec.ValidationError as error:
        raise InvalidValue(
            what="The inputs of publish() are not the schema of a training set",
            expected="rows.schema",
            found=str(error),
        ) from error
    if not any(given.examples.values()):
        raise InvalidValue(what="The training set has no example rows", expected="at least one", found="none")
    return given


def _origins(schema: Schema, signature: Signature) -> dict[str, Any]:
    """Where those inputs of the model come from that need not be given: `Origins`."""
    inputs = {column.name for column in signature.inputs}
    computed = tuple(each for each in schema.computed if each.name in inputs)
    made_of = {name for each in computed for name in each.of}
    wanted = inputs | made_of
    views = [replace(v, features=tuple(n for n in v.features if n in wanted)) for v in schema.views]
    told: dict[str, Any] = msgspec.to_builtins(
        Origins(
            views=tuple(view for view in views if view.features),
            computed=computed,
            made_of=tuple(column for column in schema.columns if column.name in made_of),
        )
    )
    return told


def _finite(metrics: Mapping[str, float]) -> dict[str, float]:
    for name, value in metrics.items():
        if not isfinite(value):
            raise InvalidValue(
                what=f"The metric {name!r} is not a number", expected="a finite number", found=repr(value)
            )
    return {name: float(value) for name, value in metrics.items()}


def examples_of(schema: Schema, columns: tuple[Column, ...]) -> tuple[tuple[Column, ...], pl.DataFrame]:
    """The example rows as a frame, and the columns, nullable where these rows have nulls."""
    frame = pl.DataFrame(
        [pl.Series(c.name, schema.examples[c.name], dtype=_POLARS[c.dtype], strict=False) for c in columns]
    ).fill_nan(None)
    seen = [replace(c, nullable=frame[c.name].has_nulls()) for c in columns]
    return tuple(seen), frame


def _nullable(
    native: NativeModel, columns: tuple[Column, ...], frame: pl.DataFrame, declared: set[str]
) -> tuple[Column, ...]:
    """The columns, nullable also where that is declared and the model answers rows without a value."""
    few = frame.head(_EXAMPLES)
    may = [column.name for column in columns if column.name in declared]
    able = set(may) if _answers(native, few, may) else {name for name in may if _answers(native, few, [name])}
    return tuple(replace(c, nullable=c.nullable or c.name in able) for c in columns)


def _answers(native: NativeModel, rows: pl.DataFrame, without: list[str]) -> bool:
    try:
        native.answer(emptied(rows, without))
    except UnsupportedModel:
        return False
    return True


def _convert(native: NativeModel, columns: tuple[Column, ...], frame: pl.DataFrame) -> Converted:
    """The first conversion that agrees with the model, or the one that comes nearest."""
    signature = native.signature(columns)
    rows = with_nulls(frame, columns)
    truth = native.answer(rows)
    nearest: Converted | None = None
    failure: Exception | None = None
    for graph in graphs(native, columns, rows.head(_EXAMPLES)):
        try:
            served = served_answers(OnnxRuntime(graph, signature), rows)
        except Exception as error:  # noqa: BLE001 - a graph that cannot run is one that does not agree
            failure = error
            continue
        apart, differ, parity = beside(truth, served, signature.classes, rows.height - frame.height)
        if nearest is None or parity.different < nearest.parity.different:
            nearest = Converted(FORMAT, graph, signature, rows, truth, apart, differ, parity)
        if nearest.parity.acceptable():
            break
    if nearest is None:
        raise Corrupt(what=f"{native.name} does not run after its conversion to ONNX", found=str(failure))
    return nearest


def served_answers(runtime: OnnxRuntime, rows: pl.DataFrame) -> Answers:
    """What the serving runtime answers for n rows."""
    score, label, values = runtime.predict(rows.to_dict(as_series=False))
    return Answers(np.array(values or [[value] for value in score]), label)


def _as_it_is(
    native: NativeModel,
    columns: tuple[Column, ...],
    frame: pl.DataFrame,
    why: UnsupportedModel | Corrupt,
    unsafe_pickle: bool,
) -> Converted:
    """The model as a skops file, or a pickle where that may be, once it was read back and answers as before.

    Raises UnsupportedModel, with `why` it was not converted either.
    """
    kept = NATIVE
    try:
        data = as_skops(native.model)
        again = NativeModel(from_skops(data))
    except StepFailed as error:
        foreign = f"nor as it is: {error.what}{f': {error.found}' if error.found else ''}"
        if not unsafe_pickle:
            raise UnsupportedModel(
                what=why.what,
                expected=why.expected,
                found=f"{why.found}; {foreign}",
                fix=f"{why.fix} Or have it pickled by name: publish(..., unsafe_pickle=True).",
            ) from error
        kept, data = PICKLE, to_pickle(native.model)
        again = NativeModel(from_pickle(data))
    signature = native.signature(columns)
    rows = with_nulls(frame, columns)
    truth = native.answer(rows)
    apart, differ, parity = beside(truth, again.answer(rows), signature.classes, rows.height - frame.height)
    parity.require(native.name)
    return Converted(kept, data, signature, rows, truth, apart, differ, parity, str(why))


def _record(converted: Converted) -> bytes:
    """The recorded examples: requests and the model's own answers to them."""
    chosen = agreeing(converted.apart, converted.differ, _EXAMPLES)
    truth = converted.truth
    return msgspec.json.encode(
        {
            "inputs": converted.rows[chosen].to_dict(as_series=False),
            "score": truth.score(len(converted.signature.classes))[chosen].tolist(),
            "label": [truth.label[row] for row in chosen],
        }
    )
