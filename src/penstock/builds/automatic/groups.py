"""Whether values of a column are alike enough in all groups of its rows to mean the same."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator

import numpy as np
import polars as pl

LEAST = 20
"""Rows of a group from which something can be said."""
FAR = 8.0
"""How many times larger or smaller than in all other groups the values of a group are."""
_GROUPS = (5, 200)
_RANGES = 2.0
_CODES = 30
_CLASSES = 20
_NEVER = 1e-9


def groupings(rows: pl.DataFrame, column: str, hidden: Collection[str]) -> Iterator[str]:
    """The columns by which a column can be looked at group by group."""
    for name, dtype in rows.schema.items():
        if name not in hidden and name != column and dtype == pl.String:
            least, most = _GROUPS
            if least <= rows[name].n_unique() <= min(most, rows.height / LEAST):
                yield name


def far(column: pl.Series, groups: pl.Series) -> str:
    """The group whose values are of another order of magnitude than those of all others, and its level."""
    there = column.drop_nulls()
    if not column.dtype.is_numeric() or column.n_unique() <= _CODES or (there > 0).sum() < 0.95 * there.len():
        return ""
    size = pl.col("value")
    table = (
        pl.DataFrame({"value": column.cast(pl.Float64).log(), "group": groups})
        .filter(size.is_finite())
        .group_by("group")
        .agg(pl.len().alias("rows"), *(size.quantile(q).alias(str(q)) for q in (0.1, 0.5, 0.9)))
        .filter(pl.col("rows") >= LEAST)
        .drop_nulls("group")
        .sort("group")
    )
    if table.height < _GROUPS[0]:
        return ""
    for name in ("0.5", "0.9", "0.1"):
        ordered = table.sort(name)
        levels = ordered[name].to_numpy()
        gaps = np.diff(levels)
        cut = int(gaps.argmax()) + 1
        few, most = sorted((levels[:cut], levels[cut:]), key=len)
        if 3 * len(few) <= len(levels) and gaps[cut - 1] > max(math.log(FAR), _RANGES * np.ptp(most)):
            far = 0 if levels[0] in few else len(levels) - 1
            usual = math.exp(float(np.median(most)))
            found = f"{_TENTHS[name]} {math.exp(levels[far]):.4g}, and {usual:.4g} elsewhere"
            return f"{ordered['group'][far]!r}: {found}"
    return ""


def silent(column: pl.Series, groups: pl.Series) -> str:
    """A value of a label that a group never has, though the rarest share of all others would give many."""
    if column.n_unique() > _CLASSES:
        return ""
    table = pl.DataFrame({"value": column.cast(pl.String), "group": groups}).drop_nulls()
    for value in table["value"].unique().sort():
        shares = (
            table.group_by("group")
            .agg(pl.len().alias("rows"), (pl.col("value") == value).mean().alias("share"))
            .filter(pl.col("rows") >= LEAST)
            .sort("share", "rows", "group", descending=[False, True, False])
        )
        there = shares.filter(pl.col("share") > 0)
        if there.height < max(_GROUPS[0] - 1, 0.75 * shares.height):
            continue
        group, rows, share = shares.row(0)
        if not share and (1 - there["share"].to_numpy().min()) ** rows < _NEVER:
            return f"{value} where `{groups.name}` is {group!r}, in {rows} rows"
    return ""


_TENTHS = {
    "0.1": "a tenth of its values are below",
    "0.5": "half of its values are below",
    "0.9": "a tenth of its values are above",
}
