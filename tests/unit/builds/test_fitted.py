"""A model is fitted on the rows that it was given: lawful choices of rows pass, others are told."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from penstock.builds.automatic.fitted import fitted_rows, fitted_values
from penstock.builds.automatic.verdicts import NotJudged
from tests.unit.builds.asking import Answering, fitted, published

MADE = published()
TRAIN = MADE.rows.train
DAY = pl.col("at").dt.ordinal_day()
RARE = pl.col("shop").is_in([f"s{n}" for n in range(3)])
LAWFUL: dict[str, Callable[[pl.DataFrame], pl.DataFrame]] = {
    "all": lambda rows: rows,
    "in another order": lambda rows: rows.sample(fraction=1.0, shuffle=True, seed=1),
    "the older ones": lambda rows: rows.head(rows.height * 4 // 5),
    "without a week": lambda rows: rows.filter(~DAY.is_between(10, 17)),
    "drawn at random": lambda rows: rows.sample(fraction=0.5, seed=1),
    "drawn again and again": lambda rows: rows.sample(fraction=1.0, with_replacement=True, seed=1),
    "some shops": lambda rows: rows.filter(pl.col("shop").is_in([f"s{n}" for n in range(0, 30, 3)])),
    "without a few odd ones": lambda rows: rows.filter(pl.col("size") < 97),
    "in 32 bits": lambda rows: rows.with_columns(pl.col("size").cast(pl.Float32)),
}
CHOSEN: dict[str, tuple[Callable[[pl.DataFrame], pl.DataFrame], str]] = {
    "who called": (lambda rows: rows.filter(pl.col("calls") > 0), "calls"),
    "without outliers": (lambda rows: rows.filter(pl.col("size") < 85), "size"),
    "the first of a shop and size": (lambda rows: rows.head(400).vstack(rows[400::4]), "row_id|at"),
    "doubled by a join": (lambda rows: rows.vstack(rows.filter(pl.col("calls") == 1)), "calls"),
}


@pytest.mark.parametrize("rows", LAWFUL.values(), ids=LAWFUL)
def test_rows_may_be_left_out_lawfully(rows: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
    fitted_rows(MADE, fitted(rows(TRAIN)))
    fitted_values(MADE, fitted(rows(TRAIN)))


@pytest.mark.parametrize(("rows", "column"), CHOSEN.values(), ids=CHOSEN)
def test_rows_are_not_chosen_by_what_is_in_them(
    rows: Callable[[pl.DataFrame], pl.DataFrame], column: str
) -> None:
    with pytest.raises(AssertionError, match=f"depends on `({column})`"):
        fitted_rows(MADE, fitted(rows(TRAIN)))


def test_more_of_one_class_is_lawful() -> None:
    made = published(label="late")
    rows = pl.concat([TRAIN.filter("late"), TRAIN.filter(~pl.col("late")).sample(fraction=0.3, seed=1)])
    asked = fitted(rows, rows["late"].cast(pl.Int64))
    asked.classes = ("0", "1")
    fitted_rows(made, asked)
    fitted_values(made, asked)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (pl.col("size") * 100, "other values of `size`.*100% are like"),
        (pl.col("size").clip(0, 50), "other values of `size`"),
        (pl.col("calls").shuffle(seed=1), "other values of `calls`"),
    ],
)
def test_other_values_are_told(change: pl.Expr, found: str) -> None:
    with pytest.raises(AssertionError, match=found):
        fitted_values(MADE, fitted(TRAIN.with_columns(change)))


@pytest.mark.parametrize(
    "labels",
    [TRAIN["sold"].clip(upper_bound=200), TRAIN["sold"].log1p(), TRAIN["sold"].shift(1).fill_null(0)],
)
def test_other_labels_are_told(labels: pl.Series) -> None:
    with pytest.raises(AssertionError, match="fitted on other labels than its rows have"):
        fitted_values(MADE, fitted(TRAIN, labels))


def test_labels_of_classes_may_have_other_names_but_stay_with_their_rows() -> None:
    made = published(label="late")
    coded = TRAIN["late"].cast(pl.Int64)
    for labels in (coded, 1 - coded):
        asked = fitted(TRAIN, labels)
        asked.classes = ("0", "1")
        fitted_values(made, asked)
    asked.fit = fitted(TRAIN, coded.gather(np.random.default_rng(0).permutation(coded.len()))).fit
    with pytest.raises(AssertionError, match="fitted on other labels"):
        fitted_values(made, asked)


def test_what_was_not_seen_is_not_judged() -> None:
    with pytest.raises(NotJudged, match="was not seen"):
        fitted_rows(MADE, Answering(lambda rows: rows["size"], {"size": "float"}))
