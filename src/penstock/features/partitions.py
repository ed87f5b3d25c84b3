"""Partitions: a training set made in so many parts, each on a machine of its own, the same rows in the end.

What a view makes of its source is parted by entity; the rows are parted in their order, so that one part
after another is what would be made at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from zlib import crc32

import numpy as np
import polars as pl
from polars import selectors

from penstock.features.shares import Share
from penstock.features.timelines import Features, Integers, Timeline

_PART = "penstock.part"


def own_rows(entity: Sequence[str], share: Share) -> Callable[[pl.DataFrame], pl.DataFrame]:
    """Leaves of rows those whose entity is in a part."""
    return lambda rows: rows.filter(part_of(rows.select(entity), share.of) == share.number)


def part_of(entities: pl.DataFrame, of: int) -> pl.Series:
    """The part of each of n entities, shape (n,); null where one of its columns is.

    It depends on the entity alone, on every machine and in every version of any library: a checksum of its
    text. Equal entities of other types, such as whole numbers of other widths, have the same.
    """
    entities = entities.with_columns(selectors.float() + 0.0)  # of two zeros that are equal there is one text
    known = entities.unique().drop_nulls()  # each text is made once: most rows are of an entity seen before
    texts = known.select(pl.concat_str(pl.all().cast(pl.String), separator="\0")).to_series()
    sums = pl.Series(_PART, [crc32(text.encode()) % of for text in texts.to_list()], dtype=pl.Int64)
    found = entities.join(known.with_columns(sums), on=entities.columns, how="left", maintain_order="left")
    return found[_PART]


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
    own = part_of(entities(rows, parts[0]), len(parts)).fill_null(0).to_numpy()
    places: list[Integers] = [np.flatnonzero(own == number) for number in range(len(parts))]
    found = [features(rows[at], part) for at, part in zip(places, parts, strict=True) if len(at)]
    if not found:
        return features(rows, parts[0])
    return pl.concat(found)[np.argsort(np.concatenate(places), kind="stable")]
