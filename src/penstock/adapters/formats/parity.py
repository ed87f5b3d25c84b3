"""Parity: how far the serving runtime's answers lie from those of the model that was trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

from penstock.adapters.formats.native import Answers
from penstock.core.errors import UnsupportedModel
from penstock.datasets.types import Column

TOLERANCE = 1e-4
"""Differences above it count; relative to the answer where that is larger than 1."""
MOST_DIFFERENT = 0.01
MOST_FLIPS = 0.005
_NULL_ROWS = 50


class Parity(msgspec.Struct, frozen=True, kw_only=True):
    """Measured on `rows` rows, `null_rows` of them made by taking values away.

    `different` is the share of rows that differ by more than `tolerance`, `flips` the share
    whose label differs though the trained model is not undecided between the two, `largest` the largest
    difference of a probability or value.
    """

    rows: int
    null_rows: int
    largest: float
    different: float
    flips: float
    tolerance: float = TOLERANCE

    def acceptable(self) -> bool:
        """Whether the two may be taken for the same model."""
        return self.different <= MOST_DIFFERENT and self.flips <= MOST_FLIPS

    def require(self, name: str) -> None:
        """Raises UnsupportedModel, with the numbers, where the two are not the same model."""
        if self.acceptable():
            return
        raise UnsupportedModel(
            what=f"{name} answers differently after its conversion to ONNX",
            expected=f"at most {MOST_DIFFERENT:.1%} of rows to differ by more than {TOLERANCE:g} "
            f"and {MOST_FLIPS:.1%} of labels to flip",
            found=f"{self.different:.1%} of {self.rows} rows differing, by up to {self.largest:.3g}, "
            f"and {self.flips:.1%} of labels flipped",
            fix="Encode strings and categories in the Pipeline, for example with OrdinalEncoder, instead of "
            "categorical_features; see that nulls are imputed or never occur.",
        )


def with_nulls(frame: pl.DataFrame, columns: tuple[Column, ...]) -> pl.DataFrame:
    """The rows, then for each nullable column some of them without it, then some without any of these."""
    nullable = [column.name for column in columns if column.nullable]
    few = frame.head(_NULL_ROWS)
    variants = [[name] for name in nullable] + ([nullable] if len(nullable) > 1 else [])
    return pl.concat([frame, *(emptied(few, names) for names in variants)])


def emptied(frame: pl.DataFrame, names: list[str]) -> pl.DataFrame:
    """The rows without the values of these columns."""
    return frame.with_columns(pl.lit(None, dtype=frame.schema[name]).alias(name) for name in names)


def beside(
    truth: Answers, served: Answers, classes: Sequence[str], null_rows: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_], Parity]:
    """How far apart answers to n rows are, on which of them the labels differ, and parity of all of it.

    Labels between which the trained model itself is undecided, by no more than the tolerance, are no flips.
    """
    apart = _differences(truth, served, relative=not classes)
    differ = np.zeros(len(apart), bool)
    flipped = differ
    if classes:
        differ = np.array(truth.label) != np.array(served.label)
        places = {name: place for place, name in enumerate(classes)}
        own, other = ([places[label] for label in each.label] for each in (truth, served))
        rows = np.arange(len(apart))
        flipped = differ & (np.abs(truth.values[rows, own] - truth.values[rows, other]) > TOLERANCE)
    parity = Parity(
        rows=len(apart),
        null_rows=null_rows,
        largest=float(min(apart.max(), np.finfo(np.float64).max)),
        different=float((apart > TOLERANCE).mean()),
        flips=float(flipped.mean()),
    )
    return apart, differ, parity


def _differences(native: Answers, served: Answers, *, relative: bool) -> npt.NDArray[np.float64]:
    """The largest difference in each of n rows; infinite where only one of the two has a number."""
    apart = np.abs(native.values - served.values)
    if relative:
        apart = apart / np.maximum(1.0, np.abs(native.values))
    apart = np.where(np.isnan(native.values) & np.isnan(served.values), 0.0, apart)
    largest: npt.NDArray[np.float64] = np.nan_to_num(apart, nan=np.inf).max(axis=1)
    return largest


def agreeing(apart: npt.NDArray[np.float64], differ: npt.NDArray[np.bool_], most: int) -> list[int]:
    """Up to `most` rows, spread evenly over those on which the two agree."""
    rows = np.flatnonzero((apart <= TOLERANCE) & ~differ)
    chosen = np.unique(np.linspace(0, len(rows) - 1, num=min(most, len(rows)), dtype=int))
    picked: list[Any] = rows[chosen].tolist()
    return picked
