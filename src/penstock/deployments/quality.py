"""How good a version is on its holdout: with intervals, by slices, beside a champion and a constant."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from penstock.checks.calibration import Bin, calibration_error, reliability
from penstock.checks.measures import interval, losses, measure
from penstock.checks.metrics import METRICS
from penstock.checks.paired import Gain, gains
from penstock.checks.slices import Worst, slices_of, worst_slices
from penstock.core.errors import InvalidValue, UndefinedMetric
from penstock.datasets.types import Prior
from penstock.deployments.truth import METRICS_OF, truth_number
from penstock.models.types import Signature, Task, Version

Numbers = NDArray[np.float64]
LOSS: dict[Task, str] = {"binary": "log_loss", "multiclass": "accuracy", "regression": "rmse"}
"""By which slices are searched; of accuracy the complement."""
_WORST = re.compile(r"worst\(\s*(.+?)\s*(?:,\s*(\d+))?\)\.(\w+)")


class Interval(msgspec.Struct, frozen=True, kw_only=True):
    """A metric with its 95 % confidence interval."""

    value: float
    low: float
    high: float


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A slice of the holdout and what the version scored there."""

    slice: str
    columns: tuple[str, ...]
    rows: int
    metrics: dict[str, float]


class Assessment(msgspec.Struct, frozen=True, kw_only=True):
    """What a version scored on `rows` rows.

    `baseline` is what a constant scores there that knows only the labels of `baseline_from`; `gains` are over
    the champion, none while there is none; `reliability` is of the chances that a classifier gives.
    """

    rows: int = 0
    metrics: dict[str, Interval] = {}
    baseline: dict[str, float] = {}
    baseline_from: str = ""
    gains: dict[str, Gain] = {}
    reliability: tuple[Bin, ...] = ()
    slices: tuple[Part, ...] = ()
    worst: tuple[Worst, ...] = ()

    @property
    def facts(self) -> dict[str, float]:
        """The numbers that checks may name, without those of slices."""
        found = {f"baseline.{name}": value for name, value in self.baseline.items()}
        for name, each in self.gains.items():
            found |= {
                f"gain({name})": each.gain,
                f"gain({name}).low": each.low,
                f"gain({name}).high": each.high,
            }
        return found | ({"ece": calibration_error(self.reliability)} if self.reliability else {})

    def worst_of(self, name: str) -> Part | None:
        """The slice in which `worst(carrier).roc_auc`, or `worst(*, 200).roc_auc`, is found; None for another
        name, or where no slice of enough rows was measured by it.
        """
        asked = _WORST.fullmatch(name)
        if not asked or asked[3] not in METRICS:
            return None
        parts = [
            part
            for part in self.slices
            if asked[1] in {"*", *part.columns}
            and part.rows >= int(asked[2] or 0)
            and asked[3] in part.metrics
        ]
        sign = 1 if METRICS[asked[3]].greater_is_better else -1
        return min(parts, key=lambda part: sign * part.metrics[asked[3]], default=None)


def assess(
    version: Version,
    rows: pl.DataFrame,
    truth: Sequence[float],
    numbers: tuple[Numbers, Numbers],
    champion: tuple[Numbers, Numbers] | None,
) -> Assessment:
    """Measure n answers: `numbers` are truth and answer as metrics compare them (see
    `truth.answered_numbers`), of the version and of the champion, each of shape (n,); `truth` is that of the
    labels themselves. What chance there is in it follows from the version's digest.
    """
    task, (happened, answered) = version.signature.task, numbers
    names = METRICS_OF[task]
    constants, known_from = _constants(version, truth)
    parts = slices_of(rows.drop(version.label, *version.origins.personal, strict=False))
    loss = losses(LOSS[task], happened, answered)
    return Assessment(
        rows=len(happened),
        metrics=dict(_intervals(names, happened, answered)),
        baseline=dict(_measured(names, happened, constants)),
        baseline_from=known_from,
        gains=gains(names, happened, answered, champion[1], seed=int(version.artifact[:8], 16))
        if champion
        else {},
        reliability=_reliability(task, numbers),
        slices=tuple(
            Part(
                slice=part.name,
                columns=part.columns,
                rows=int(part.rows.sum()),
                metrics=dict(
                    _measured(names, happened[part.rows], dict.fromkeys(names, answered[part.rows]))
                ),
            )
            for part in parts
        ),
        worst=tuple(worst_slices(parts, 1 - loss if task == "multiclass" else loss)),
    )


def _prior(version: Version, truth: Sequence[float]) -> tuple[Prior, str]:
    """What the label was in training, or where that is not known, in the holdout; and which of them."""
    if version.prior.rows:
        return version.prior, "training rows"
    values = np.asarray(truth, dtype=np.float64)
    counts = (
        {version.signature.classes[int(v)]: int((values == v).sum()) for v in np.unique(values)}
        if (version.signature.classes)
        else {}
    )
    return (
        Prior(rows=len(values), mean=float(values.mean()), median=float(np.median(values)), counts=counts),
        "holdout itself, since the training rows are not known",
    )


def _constants(version: Version, truth: Sequence[float]) -> tuple[dict[str, Numbers], str]:
    """For each metric the answers of the best constant, as scikit-learn's DummyClassifier (`prior`) and
    DummyRegressor (`mean`, for the absolute error `median`) give them.
    """
    signature, n = version.signature, len(truth)
    prior, source = _prior(version, truth)
    if signature.task == "regression":
        return {"rmse": np.full(n, prior.mean or 0.0), "mae": np.full(n, prior.median or 0.0)}, source
    counts = dict.fromkeys(range(len(signature.classes)), 0)
    for value, count in prior.counts.items():
        with suppress(InvalidValue):
            counts[int(truth_number(signature, value))] += count
    if signature.task == "binary":
        chance = counts[1] / (sum(counts.values()) or 1)
        return dict.fromkeys(METRICS_OF["binary"], np.full(n, chance)), source
    commonest = max(counts, key=lambda place: counts[place])
    return {"accuracy": (np.asarray(truth) == commonest).astype(np.float64)}, source


def _measured(
    names: Sequence[str], truth: Numbers, answers: dict[str, Numbers]
) -> Iterator[tuple[str, float]]:
    for name in names:
        with suppress(UndefinedMetric):
            yield name, measure(name, truth, answers[name])


def _intervals(names: Sequence[str], truth: Numbers, score: Numbers) -> Iterator[tuple[str, Interval]]:
    for name in names:
        with suppress(UndefinedMetric):
            low, high = interval(name, truth, score)
            yield name, Interval(value=measure(name, truth, score), low=low, high=high)


def _reliability(task: Task, numbers: tuple[Numbers, Numbers]) -> tuple[Bin, ...]:
    return reliability(*numbers) if task == "binary" else ()


def numbers_of_data(version: Version) -> dict[str, float]:
    """What checks may ask of the rows that a version was trained on, by name; nothing where nobody here
    knows these rows.
    """
    if version.governance.get("imported"):
        return {}
    snapshots, asked = version.training.get("snapshots", ()), version.training.get("expectations", {})
    found = {
        "rows": float(version.profile.rows),
        "quarantined": float(sum(s["quarantined"] for s in snapshots)),
        "expected": float(sum(s.get("expected", 0) for s in snapshots) + asked.get("asked", 0)),
        "unexpected": float(
            sum(len(s.get("unexpected", ())) for s in snapshots) + len(asked.get("unexpected", ()))
        ),
    }
    for column in version.profile.columns:
        known: dict[str, Any] = {"nulls": column.nulls / max(1, column.nulls + column.count)}
        if column.edges and column.count:
            known |= {"low": column.low, "high": column.high, "mean": column.mean}
        found |= {f"{word}({column.name})": float(value) for word, value in known.items()}
    return found


def signature_fits(signature: Signature, other: Signature) -> bool:
    """Whether the answers of two versions can be held against each other row by row."""
    return signature.task == other.task and signature.classes == other.classes
