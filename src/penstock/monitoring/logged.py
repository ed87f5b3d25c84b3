"""Answers whose labels are known, as rows to train on: with the features that were served, as logged."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import polars as pl

from penstock.core.errors import InvalidValue, NotFound
from penstock.datasets.types import Column, Predictions, Source
from penstock.lineage.ports import Between, Reader
from penstock.models.types import Signature, Version
from penstock.monitoring.measure import EVER
from penstock.monitoring.types import Prediction
from penstock.runs.types import Run
from penstock.serving.answers import SHADOW
from penstock.serving.ports import PredictionLog

_TYPES = {"float": pl.Float64, "int": pl.Int64, "bool": pl.Boolean, "string": pl.String}
_MOMENT = pl.Datetime("us", "UTC")
_INSTANT = timedelta(microseconds=1)
_DAY = timedelta(days=1)
_TRUTH = "penstock.truth"


def labelled_answers(reader: Reader, log: PredictionLog, source: Source, run: Run) -> pl.DataFrame:
    """The answers that a source of predictions stands for whose labels were known at the time of a run.

    Columns: the source's key (the id), event time (when it was answered) and known time (when its label was
    last told), the inputs of the newest version among them, and the label, named as in training.
    Left out are shadows, and answers of versions that took or told something else than the newest.
    Raises NotFound where there are none, and InvalidValue for a model of another project.
    """
    kind = source.kind
    assert isinstance(kind, Predictions)  # noqa: S101 - of others there are no answers
    place = kind.environment or run.environment
    labels = _labels(reader, source, kind.model, place, run.as_of)
    versions = [reader.get(Version, f"{kind.model}@{number}") for number in labels["version"].unique()]
    newest = max(versions, key=lambda version: version.number)
    if newest.project != run.project:
        raise InvalidValue(
            what=f"The source {source.name} is of another project",
            expected=f"a model of {run.project}",
            found=f"{kind.model} of {newest.project}",
        )
    alike = [version.number for version in versions if _told(version) == _told(newest)]
    labels = labels.filter(pl.col("version").is_in(alike))
    days = labels[source.event_time].dt.date().sort()
    answers = log.table(kind.model, place, days[0], days[-1] + _DAY)
    logged = set(answers.collect_schema().names())
    inputs = [column for column in newest.signature.inputs if f"input.{column.name}" in logged]
    [key] = source.key
    asked = answers.select(pl.col("id").alias(key), *(_input(column) for column in inputs))
    return (
        labels.lazy()
        .join(asked, on=key)
        .with_columns(_label(newest.signature).alias(newest.label))
        .select(key, source.event_time, source.known_time, *(each.name for each in inputs), newest.label)
        .sort(source.event_time, key)
        .collect()
    )


def _labels(reader: Reader, source: Source, model: str, environment: str, as_of: datetime) -> pl.DataFrame:
    where: dict[str, Any] = {"model": model, "environment": environment}
    rows = reader.pick(
        Prediction,
        ("id", "time", "version", "truth", "truth_known"),
        truth_known=Between(EVER, as_of + _INSTANT),
        **where,
    )
    told = [row for row in rows if not row[0].endswith(SHADOW)]
    if not told:
        raise NotFound(
            what=f"No answer of {model} in {environment} had a label at {as_of:%Y-%m-%d %H:%M} UTC",
            found=f"{reader.count(Prediction, **where):,} answers",
            fix=f"Tell what really happened (penstock labels FILE --model {model}), or name the environment "
            "whose answers are meant: predictions(..., environment=).",
        )
    [key] = source.key
    names = (key, source.event_time, "version", _TRUTH, source.known_time)
    kinds = (pl.String, _MOMENT, pl.Int64, pl.Float64, _MOMENT)
    return pl.DataFrame(told, dict(zip(names, kinds, strict=True)), orient="row")


def _told(version: Version) -> tuple[object, ...]:
    """What rows of a version can be put together by."""
    signature = version.signature
    inputs = {(column.name, column.dtype) for column in signature.inputs}
    return inputs, signature.task, signature.classes, version.label


def _input(column: Column) -> pl.Expr:
    return pl.col(f"input.{column.name}").cast(_TYPES[column.dtype]).alias(column.name)


def _label(signature: Signature) -> pl.Expr:
    """The truth as it was in training: a class, of the type that all of them spell, or the number."""
    if signature.task == "regression":
        return pl.col(_TRUTH)
    names = pl.Series(signature.classes)
    if {name.lower() for name in signature.classes} <= {"true", "false"}:
        names = names.str.to_lowercase() == "true"
    elif all(name.removeprefix("-").isdecimal() for name in signature.classes):
        names = names.cast(pl.Int64)
    return pl.lit(names).gather(pl.col(_TRUTH).cast(pl.UInt32))
