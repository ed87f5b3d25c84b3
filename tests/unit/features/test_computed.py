"""Computed features are SQL expressions of their row, the same in training and when a model is asked."""

from __future__ import annotations

import polars as pl
import pytest

from penstock.core.errors import InvalidValue
from penstock.datasets.types import Column
from penstock.features.computed import compute_values, read_computed, with_computed
from penstock.features.types import Origins

ROWS = pl.DataFrame(
    {
        "miles": pl.Series([100, 50, None, 7], dtype=pl.Int8),
        "hours": pl.Series([2.0, 0.0, 1.0, 3.5], dtype=pl.Float32),
        "carrier": ["UA", None, "AA", "UA"],
    }
)
TEXTS = {
    "pace": "miles / hours",
    "far": "miles * 100 > 5000",
    "who": "CASE WHEN carrier IS NULL THEN 'nobody' ELSE lower(carrier) END",
    "one": "1",
}


def test_training_and_requests_compute_the_same() -> None:
    made = with_computed(ROWS, TEXTS).drop(ROWS.columns).to_dict(as_series=False)
    assert made == {
        "pace": [50.0, None, None, 2.0],
        "far": [True, False, None, False],
        "who": ["ua", "nobody", "aa", "ua"],
        "one": [1, 1, 1, 1],
    }
    made_of = tuple(
        Column(name=name, dtype=kind)
        for name, kind in (("miles", "int"), ("hours", "float"), ("carrier", "string"))
    )
    origins = Origins(computed=read_computed(TEXTS), made_of=made_of)
    assert compute_values(ROWS.to_dict(as_series=False), 4, origins) == made


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("miles +", "cannot be read"),
        ("mile * 2", "`mile`, which the rows lack. Did you mean `miles`"),
        ("miles - avg(miles)", "made of other rows than its own"),
        ("row_number() over (order by hours)", "made of other rows than its own"),
        ("carrier * 2", "fails: found"),
        ("booked", "no request can hold"),
    ],
)
def test_what_cannot_be_computed_is_told_in_a_sentence(text: str, said: str) -> None:
    with pytest.raises(InvalidValue, match=said):
        with_computed(ROWS.with_columns(booked=pl.datetime(2024, 1, 1)), {"wrong": text})


def test_a_computed_feature_has_a_name_of_its_own() -> None:
    with pytest.raises(InvalidValue, match="called as a column"):
        with_computed(ROWS, {"miles": "hours"})
