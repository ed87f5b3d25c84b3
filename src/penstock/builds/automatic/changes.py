"""What tests do to training rows before a pipeline sees them. The same rows always change in the same way."""

from __future__ import annotations

import numpy as np
import polars as pl

from penstock.features.types import TrainingSet

_SEED = 20130101
PLANTED = 400
"""Rows of the tiny batch with a planted signal, and half as many to look at."""


def nothing(made: TrainingSet) -> TrainingSet:
    """The same rows, for training a second time."""
    return made


def later(made: TrainingSet) -> TrainingSet:
    """The same rows, for training a second time at another date."""
    return made


def shuffled_labels(made: TrainingSet) -> TrainingSet:
    """Each part with its labels in another order."""
    label, chance = str(made.schema["label"]), np.random.default_rng(_SEED)
    train, holdout = (
        part.with_columns(part[label][chance.permutation(part.height)]) for part in (made.train, made.holdout)
    )
    return TrainingSet(train, holdout, made.schema)


def other_holdout(made: TrainingSet) -> TrainingSet:
    """Another holdout: each column in an order of its own, floats half as large again; times and keys "
    "stay.
    """
    chance = np.random.default_rng(_SEED)
    names = [column["name"] for column in made.schema["columns"]]
    changed = []
    for name in [*names, str(made.schema["label"])]:
        column = made.holdout[name][chance.permutation(made.holdout.height)]
        changed.append(column * 1.5 if column.dtype.is_float() else column)
    return TrainingSet(made.train, made.holdout.with_columns(changed), made.schema)


def planted(made: TrainingSet, column: str) -> TrainingSet:
    """A tiny batch whose labels rise with one column and depend on nothing else.

    Values and labels are those of the rows, in another order, so that neighbours have nothing in common.
    """
    label, chance = str(made.schema["label"]), np.random.default_rng(_SEED)
    rows = made.train.filter(pl.col(column).is_not_null(), pl.col(label).is_not_null())
    tiny = rows[_spread(rows.height, PLANTED + PLANTED // 2)]
    tiny = tiny.with_columns(tiny[column][chance.permutation(tiny.height)])
    order = tiny[column].rank("ordinal").cast(pl.Int64) - 1
    ranked = tiny[label]
    if ranked.dtype == pl.String:
        ranked = ranked[ranked.str.strip_chars().str.to_lowercase().arg_sort()]
    else:
        ranked = ranked.sort()
    tiny = tiny.with_columns(ranked[order].alias(label))
    aside = pl.int_range(pl.len()) % 3 == 2
    return TrainingSet(tiny.filter(~aside), tiny.filter(aside), made.schema)


def _spread(height: int, most: int) -> list[int]:
    taken = min(height, most)
    return [index * height // taken for index in range(taken)]
