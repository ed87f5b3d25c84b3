"""One tool at the same table: nothing missing, numbers in their range, text one of thirty."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

from told import tell

NUMBERS = [f"x{n}" for n in range(12)]
WHOLE = {f"n{n}": 10 ** (n + 2) for n in range(4)}
TEXTS = [f"s{n}" for n in range(4)]
NAMES = [f"category {n}" for n in range(30)]


def reading(file: str) -> Callable[[], Any]:
    import polars as pl

    return lambda: pl.read_parquet(file)


def penstock(file: str) -> Callable[[], Any]:
    import polars as pl

    from penstock.datasets.expectations import Expectations, Rules, check
    from penstock.datasets.sketching import sketch

    columns = {name: Rules(type="float", nulls=0.0, finite=True, at_least=-9, at_most=9) for name in NUMBERS}
    columns |= {n: Rules(type="int", nulls=0.0, at_least=0, at_most=most) for n, most in WHOLE.items()}
    columns |= {name: Rules(type="string", nulls=0.0, one_of=tuple(NAMES)) for name in TEXTS}
    expected = Expectations(columns=columns)

    def work() -> Any:
        table = pl.scan_parquet(file)
        found = sketch(table)
        assert not check(table, expected, sketch=found)
        return found

    return work


def pandera_polars(file: str) -> Callable[[], Any]:
    import pandera.polars as pa
    import polars as pl

    schema = _schema(pa)
    return lambda: schema.validate(pl.read_parquet(file), lazy=True)


def pandera_pandas(file: str) -> Callable[[], Any]:
    import pandas as pd
    import pandera.pandas as pa

    schema = _schema(pa)
    return lambda: schema.validate(pd.read_parquet(file), lazy=True)


def _schema(pa: Any) -> Any:
    columns = {name: pa.Column(float, pa.Check.in_range(-9, 9)) for name in NUMBERS}
    columns |= {name: pa.Column(int, pa.Check.in_range(0, most)) for name, most in WHOLE.items()}
    columns |= {name: pa.Column(str, pa.Check.isin(NAMES)) for name in TEXTS}
    return pa.DataFrameSchema(columns)


def great_expectations(file: str) -> Callable[[], Any]:
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations as gx
    import pandas as pd

    asked = gx.expectations
    between = {**dict.fromkeys(NUMBERS, (-9, 9)), **{name: (0, most) for name, most in WHOLE.items()}}
    wanted = [asked.ExpectColumnValuesToNotBeNull(column=name) for name in (*between, *TEXTS)]
    wanted += [
        asked.ExpectColumnValuesToBeBetween(column=name, min_value=low, max_value=high)
        for name, (low, high) in between.items()
    ]
    wanted += [asked.ExpectColumnValuesToBeInSet(column=name, value_set=NAMES) for name in TEXTS]
    context = gx.get_context(mode="ephemeral")
    asset = context.data_sources.add_pandas("pandas").add_dataframe_asset("table")
    whole = asset.add_batch_definition_whole_dataframe("whole")

    def work() -> Any:
        batch = whole.get_batch(batch_parameters={"dataframe": pd.read_parquet(file)})
        found = batch.validate(gx.ExpectationSuite(name="expected", expectations=wanted))
        assert found.success
        return found

    return work


TOOLS = {
    "plain reading, Polars": reading,
    "Penstock": penstock,
    "Pandera, Polars": pandera_polars,
    "Pandera, pandas": pandera_pandas,
    "Great Expectations": great_expectations,
}

if __name__ == "__main__":
    tell(TOOLS[sys.argv[1]](sys.argv[2]))
