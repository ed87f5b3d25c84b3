"""Whatever rows come in whatever parts, how columns go together is that of all of them."""

from __future__ import annotations

from functools import reduce

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from penstock.datasets.pairs import added, correlations, products
from penstock.datasets.profiles import profile
from penstock.datasets.types import Profile

NAMES = ("a", "b", "c")
value = st.none() | st.integers(-3, 3) | st.floats(allow_nan=True, allow_infinity=True, width=32)
table = st.lists(st.tuples(value, value, value), min_size=1, max_size=40)
REFERENCE = profile(pl.DataFrame({name: [-2.0, -1.0, 0.5, 3.0] for name in NAMES}))


def frame(rows: list[tuple[float | None, ...]]) -> pl.DataFrame:
    return pl.DataFrame(rows, dict.fromkeys(NAMES, pl.Float64), orient="row", strict=False)


@given(st.lists(table, min_size=1, max_size=4))
def test_parts_add_up_to_the_whole_in_any_order(parts: list[list[tuple[float | None, ...]]]) -> None:
    each = [products(frame(rows), REFERENCE) for rows in parts]
    whole = products(frame([row for rows in parts for row in rows]), REFERENCE)
    assert whole
    for order in (each, each[::-1]):
        together = reduce(added, order)
        assert together
        found, expected = correlations(together, NAMES), correlations(whole, NAMES)
        assert np.allclose(found, expected, atol=1e-6, equal_nan=True)
        assert np.all(np.isnan(found) | (np.abs(found) <= 1))
        fewer = added(together, products(frame(parts[0]).drop("b"), _without("b")))
        assert fewer
        assert fewer.names == ("a", "c"), "of columns that one of them lacks nothing is known"


def _without(name: str) -> Profile:
    return profile(pl.DataFrame({other: [-2.0, -1.0, 0.5, 3.0] for other in NAMES if other != name}))
