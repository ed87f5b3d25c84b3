"""Nouns of monitoring."""

from __future__ import annotations

from datetime import datetime

import msgspec

from penstock.datasets.types import Profile


class Prediction(msgspec.Struct, frozen=True, kw_only=True):
    """One answer that was given. `id` is the prediction id; the first with an id counts."""

    id: str
    model: str
    environment: str
    version: int
    variant: str
    time: datetime
    score: float
    label: str
    truth: float | None = None
    truth_known: datetime | None = None


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """A span of prediction time of one version. `id` is `environment:model@version:variant:start`.

    `metrics` are measured on the labelled predictions, `completeness` is their share (0 to 1);
    `drift` is the distance (PSI) of each input column from the training profile.
    """

    id: str
    environment: str
    model: str
    version: int
    variant: str
    start: datetime
    end: datetime
    predictions: int
    labelled: int
    completeness: float
    metrics: dict[str, float]
    drift: dict[str, float]
    profile: Profile
    measured: datetime


class Performance(msgspec.Struct, frozen=True, kw_only=True):
    """Performance over any span: `low` and `high` bound `value` with 95 % confidence where known."""

    metric: str
    value: float | None
    low: float | None
    high: float | None
    predictions: int
    labelled: int
    completeness: float


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """What a version has done as champion: its runtime metrics.

    `metrics` and `drift` are those of the newest window that has them; `first` and `last` bound
    the windows in which it answered, None before its first answer is known.
    """

    predictions: int
    labelled: int
    first: datetime | None
    last: datetime | None
    metrics: dict[str, float]
    drift: dict[str, float]
