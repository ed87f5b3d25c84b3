"""Partitions: what a view makes laid out in so many parts by entity, and the features of rows from them.

Which part an entity is in is nobody's rule: it is looked for among the entities of all parts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import polars as pl

from penstock.features.timelines import Features, Integers, Timeline

_PART = "penstock.part"


def by_parts(
    rows: pl.DataFrame,
    parts: Sequence[Timeline[Features]],
    entities: Callable[[pl.DataFrame, Timeline[Features]], pl.DataFrame],
    features: Callable[[pl.DataFrame, Timeline[Features]], pl.DataFrame],
) -> pl.DataFrame:
    """What `features` gives of rows and the part of a view with their entities, in the order of the rows.

    `entities` gives the entities of rows in the types that they have there.
    """
    if len(parts) == 1:
        return features(rows, parts[0])
    own = _parts_of(entities(rows, parts[0]), parts).to_numpy()
    places: list[Integers] = [np.flatnonzero(own == number) for number in range(len(parts))]
    found = [features(rows[at], part) for at, part in zip(places, parts, strict=True) if len(at)]
    if not found:
        return features(rows, parts[0])
    return pl.concat(found)[np.argsort(np.concatenate(places), kind="stable")]


def _parts_of(entities: pl.DataFrame, parts: Sequence[Timeline[Features]]) -> pl.Series:
    """The part of each of n entities, shape (n,); the first for one that is in none."""
    every = [
        part.entities.with_columns(pl.lit(number, pl.Int16).alias(_PART)) for number, part in enumerate(parts)
    ]
    known = entities.unique().join(pl.concat(every), on=entities.columns)
    return entities.join(known, on=entities.columns, how="left", maintain_order="left")[_PART].fill_null(0)
