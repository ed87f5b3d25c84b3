"""From the prediction log to predictions and windows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
import polars as pl

from penstock.core.clock import midnight
from penstock.datasets.pairs import products
from penstock.datasets.profiles import merge, only, profile_like, psi
from penstock.datasets.types import Column, Profile
from penstock.lineage.cursors import position_of
from penstock.lineage.ports import Reader
from penstock.models.types import Version
from penstock.monitoring.types import Prediction, Window
from penstock.serving.lookups import GIVEN
from penstock.serving.types import LogRecord

DAY = timedelta(days=1)
ENOUGH_FOR_DRIFT = 100
"""Rows below which a distance between distributions says nothing."""
_DTYPES = {"float": pl.Float64, "int": pl.Int64, "bool": pl.Boolean, "string": pl.String, "time": pl.String}


class Answered(msgspec.Struct, frozen=True):
    """One row of a log record: the prediction, what was asked, and whether features were read online."""

    prediction: Prediction
    inputs: dict[str, Any]
    looked_up: bool = False


def rows_of(records: Iterable[LogRecord]) -> list[Answered]:
    """The rows of log records, in order; an id that comes again is left out."""
    rows: dict[str, Answered] = {}
    for record in records:
        for index, key in enumerate(record.ids):
            if key in rows:
                continue
            prediction = Prediction(
                id=key,
                model=record.model,
                environment=record.environment,
                version=record.version,
                variant=record.variant,
                time=record.time,
                score=record.score[index],
                label=record.label[index],
            )
            inputs = {name: values[index] for name, values in record.inputs.items()}
            looked_up = any(lookup.status[index] != GIVEN for lookup in record.lookups.values())
            rows[key] = Answered(prediction, inputs, looked_up)
    return list(rows.values())


def window_of(prediction: Prediction) -> Window:
    """The empty window of the UTC day that a prediction belongs to."""
    start = midnight(prediction.time)
    p = prediction
    return Window(
        id=f"{p.environment}:{p.model}@{p.version}:{p.variant}:{start.date()}",
        environment=p.environment,
        model=p.model,
        version=p.version,
        variant=p.variant,
        start=start,
        end=start + DAY,
        predictions=0,
        labelled=0,
        completeness=0.0,
        metrics={},
        drift={},
        profile=Profile(rows=0, columns=()),
        measured=start,
    )


def grown(window: Window, rows: Sequence[Answered], version: Version, now: datetime) -> Window:
    """A window with more rows in it: counts, the merged profile and its distance from training."""
    logged = set(rows[0].inputs).intersection(*(row.inputs for row in rows))  # others are redacted
    if window.profile.rows:
        logged &= {column.name for column in window.profile.columns}
    training = only(version.profile, logged & {column.name for column in version.signature.inputs})
    frame = _frame(rows, version.signature.inputs)
    asked = msgspec.structs.replace(profile_like(frame, training), products=products(frame, training))
    profile = merge(only(window.profile, logged), asked) if window.profile.rows else asked
    predictions = window.predictions + len(rows)
    return msgspec.structs.replace(
        window,
        predictions=predictions,
        completeness=window.labelled / predictions,
        profile=profile,
        drift=_drift(training, profile),
        measured=now,
        lookups=window.lookups + sum(row.looked_up for row in rows),
    )


def known(reader: Reader, keys: Iterable[str]) -> dict[str, Prediction]:
    """Those predictions of some ids that are stored."""
    return {prediction.id: prediction for prediction in reader.find(Prediction, id=tuple(keys))}


def cursor_of(segment: str) -> str:
    """The name of the cursor that says how far a segment of the log is taken in."""
    return f"predictions:{segment}"


def position_in(reader: Reader, segment: str) -> int:
    """How far a segment of the log is taken in, in bytes."""
    return position_of(reader, cursor_of(segment))


def _frame(rows: Sequence[Answered], columns: Sequence[Column]) -> pl.DataFrame:
    values = {c.name: [row.inputs.get(c.name) for row in rows] for c in columns}
    return pl.DataFrame(values, schema={c.name: _DTYPES[c.dtype] for c in columns}, strict=False)


def _drift(training: Profile, now: Profile) -> dict[str, float]:
    texts = {text.name for text in training.texts}  # whose values are new ones every day
    reference = {column.name: column for column in training.columns if column.name not in texts}
    return {
        column.name: psi(reference[column.name], column)
        for column in now.columns
        if column.name in reference and column.count >= ENOUGH_FOR_DRIFT
    }
