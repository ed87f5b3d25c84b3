"""A model to ask, made of a function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from penstock.builds.automatic.ports import Fit, Floats
from penstock.builds.automatic.rehearsal import Published
from penstock.features.types import TrainingSet

START = datetime(2024, 1, 1, tzinfo=UTC)


@dataclass
class Answering:
    """An `Asked` whose answers to rows are those of a function."""

    answer: Callable[[pl.DataFrame], Any]
    inputs: dict[str, str]
    fit: Fit | None = None
    classes: tuple[str, ...] = ()
    nullable: frozenset[str] = field(default_factory=frozenset)
    own_answers: str = ""

    def trained(self, rows: pl.DataFrame) -> Floats:
        score = np.asarray(self.answer(rows), dtype=np.float64)
        return np.stack([1 - score, score], axis=1) if self.classes else score.reshape(-1, 1)

    served = trained


def table(rows: int = 1200, seed: int = 0) -> pl.DataFrame:
    """Rows in which `sold` rises with `size`, and depends on nothing else."""
    chance = np.random.default_rng(seed)
    size = chance.uniform(1, 100, rows)
    return pl.DataFrame(
        {
            "row_id": np.arange(rows),
            "at": [START + timedelta(hours=hour) for hour in range(rows)],
            "shop": [f"s{n}" for n in chance.integers(0, 30, rows)],
            "size": size,
            "calls": chance.poisson(0.7, rows),
            "sold": np.round(3 * size + chance.normal(0, 20, rows), 3),
        }
    ).with_columns(late=pl.col("sold") > 150)


def published(rows: pl.DataFrame | None = None, label: str = "sold") -> Published:
    """The model `m` of these rows, a third of them being its holdout."""
    rows = table() if rows is None else rows
    cut = rows.height * 2 // 3
    made = TrainingSet(rows.head(cut), rows.tail(rows.height - cut), {"label": label})
    return Published("m", None, {}, made.schema, made, "at")


def fitted(
    rows: pl.DataFrame, labels: pl.Series | None = None, weighed: pl.DataFrame | None = None
) -> Answering:
    """A model that was fitted on `size` and `calls` of these rows."""
    fit = Fit(rows.select("size", "calls"), rows["sold"] if labels is None else labels, weighed)
    return Answering(lambda rows: 3 * rows["size"], {"size": "float", "calls": "int"}, fit)
