"""The table that is handed on, as a Penstock pipeline."""

import polars as pl
import work

from penstock import pipeline, step


@step
def make(seed: int) -> pl.DataFrame:
    return work.table(seed)


@step
def summed(rows: pl.DataFrame) -> float:
    return work.summed(rows)


@pipeline
def table(seed: int) -> float:
    return summed(make(seed))
