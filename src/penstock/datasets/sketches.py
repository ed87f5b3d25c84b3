"""Sketches: what one pass over a table keeps of it in bounded room; those of two tables merge."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from penstock.core.errors import InvalidValue
from penstock.datasets.types import LONGEST

HASHES = 1024
"""The smallest hashes that are kept of a column: its distinct values are told within 1/√1022, some 3 %."""
COUNTERS = 1000
"""Values of a text column that are counted one by one; none is counted short by more than rows / 1001."""
SAMPLE = 1 << 16
"""Rows of the sample, of which quantiles are told: shares are within 0.0064 of the truth, 99 times in 100."""
CELLS = 1 << 22
"""Values that the sample of a wide table has at most, as long as it has `FEWEST` rows."""
FEWEST = 1024
KEPT = 4096
"""Rows of the sample of a sketch that is kept: then shares are within 0.0255."""
_WHOLE = float(1 << 64)


class ColumnSketch(msgspec.Struct, frozen=True, kw_only=True):
    """What a column held. `dtype` is a word of `datasets.types.Column`.

    `count` values were there, `nulls` were not, and `odd` were not-a-number or infinite. Of numbers and times
    (in microseconds since 1970, UTC) `low`, `high`, `mean` and `m2`, the sum of squares about the mean, are
    of those that count; of text, `low` and `high` are the bytes of the shortest and the longest.
    `hashes` are the smallest of the values', in order, each of 8 bytes. `top` counts values of text and
    booleans, each too low by `missed` at most; texts longer than `LONGEST` are counted by their beginning.
    """

    name: str
    dtype: str
    count: int = 0
    nulls: int = 0
    odd: int = 0
    low: float = math.inf
    high: float = -math.inf
    mean: float = 0.0
    m2: float = 0.0
    hashes: bytes = b""
    top: dict[str, int] = {}
    missed: int = 0

    @property
    def rows(self) -> int:
        """The rows of its table."""
        return self.count + self.nulls + self.odd

    @property
    def std(self) -> float:
        """The standard deviation of the values that count; 0 for none."""
        return math.sqrt(self.m2 / self.count) if self.count else 0.0

    @property
    def distinct(self) -> int:
        """How many different values there are: exact below `HASHES`, then within 3 % (one standard error).

        Source: Z. Bar-Yossef and others, Counting Distinct Elements in a Data Stream (2002), as K. Beyer and
        others made it unbiased (2007).
        """
        found = np.frombuffer(self.hashes, "<u8")
        if found.size < HASHES:
            return int(found.size)
        return min(self.count, round((HASHES - 1) * _WHOLE / (float(found[-1]) + 1)))

    @property
    def exact(self) -> bool:
        """Whether `top` holds each value with its count."""
        return not self.missed and sum(self.top.values()) == self.count and not self.high > LONGEST


class Sketch(msgspec.Struct, frozen=True, kw_only=True):
    """The sketch of a table.

    Of each row a random number is drawn; the rows of the `size` smallest are a sample in which each row is as
    likely as any other, however tables were merged. `ranks` are these numbers in order, 8 bytes each, and
    `sampled` the values of the columns that are numbers or times, by name, with not-a-number for those that
    do not count. `maker` is the hash function's answer to one question: another one's hashes do not merge.
    Source: P. Efraimidis and P. Spirakis, Weighted random sampling with a reservoir (2006), of equal weights.
    """

    rows: int
    columns: tuple[ColumnSketch, ...]
    size: int
    ranks: bytes = b""
    sampled: dict[str, bytes] = {}
    maker: int = 0

    def column(self, name: str) -> ColumnSketch:
        """The column of this name. Raises KeyError."""
        return next(column for column in self.columns if column.name == name)

    def values(self, name: str) -> NDArray[np.float64]:
        """The sampled values of a column of numbers or times that count, in order."""
        found = np.frombuffer(self.sampled.get(name, b""), "<f8")
        return np.sort(found[np.isfinite(found)])

    @property
    def error(self) -> float:
        """By how much shares of values below a quantile are off at most, 99 times in 100; 0 if all are known.

        Source: P. Massart, The tight constant in the Dvoretzky-Kiefer-Wolfowitz inequality (1990).
        """
        sampled = len(self.ranks) // 8
        return 0.0 if sampled >= self.rows else math.sqrt(math.log(2 / 0.01) / (2 * sampled))

    def cut(self, rows: int) -> Sketch:
        """The same with a sample of so many rows at most."""
        return msgspec.structs.replace(
            self, size=min(self.size, rows), **_smallest([self], min(self.size, rows))
        )


def size_of(columns: int) -> int:
    """The rows of the sample of a table with so many columns."""
    return max(FEWEST, min(SAMPLE, CELLS // max(1, columns)))


def merge(a: Sketch, b: Sketch) -> Sketch:
    """The sketch of the rows of both tables.

    A column that one of them lacks is null there, whole numbers and numbers together are numbers. Whatever
    the order of several merges, the result is the same but for the last digits of mean and deviation; counts
    of `top` may differ within `missed`.
    Raises InvalidValue when a column has other types in both, or the hashes are not of one function.
    """
    if a.maker != b.maker and a.rows and b.rows:
        raise InvalidValue(
            what="These two profiles cannot be merged",
            expected="hashes of one function",
            found="profiles that were made by different versions of Polars",
            fix="Profile the tables again.",
        )
    names = dict.fromkeys(column.name for each in (a, b) for column in each.columns)
    left, right = ({column.name: column for column in each.columns} for each in (a, b))
    size = min(a.size, b.size)
    return Sketch(
        rows=a.rows + b.rows,
        columns=tuple(
            joined(
                left.get(name, ColumnSketch(name=name, dtype="", nulls=a.rows)),
                right.get(name, ColumnSketch(name=name, dtype="", nulls=b.rows)),
            )
            for name in names
        ),
        size=size,
        maker=a.maker if a.rows else b.maker,
        **_smallest([a, b], size),
    )


def heavy(counts: dict[str, int], missed: int) -> tuple[dict[str, int], int]:
    """The largest of some counts by name, `COUNTERS` at most, and by how much they may be too low.

    Source: P. Agarwal and others, Mergeable Summaries (2012), for the counters of J. Misra and D. Gries.
    """
    ordered = sorted(counts.items())
    if len(counts) <= COUNTERS:
        return dict(ordered), missed
    least = sorted(counts.values(), reverse=True)[COUNTERS]
    return {value: count - least for value, count in ordered if count > least}, missed + least


def smallest_of(*hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The smallest different ones, in order."""  # sorted here, since `np.unique` would hash them once more
    found = np.sort(np.concatenate(hashes))
    first: NDArray[np.uint64] = found[np.append(True, found[1:] != found[:-1])[: found.size]]
    return first[:HASHES]


def joined(a: ColumnSketch, b: ColumnSketch) -> ColumnSketch:
    """The sketch of the values of both, under the name of the first. Raises InvalidValue as `merge`."""
    count = a.count + b.count
    share = b.count / count if count else 0.0
    apart = b.mean - a.mean if a.count and b.count else 0.0
    mean = (a.mean + apart * share) if a.count else b.mean
    top, missed = heavy(
        {value: a.top.get(value, 0) + b.top.get(value, 0) for value in a.top | b.top}, a.missed + b.missed
    )
    hashes = a.hashes or b.hashes
    if a.hashes and b.hashes:
        hashes = smallest_of(np.frombuffer(a.hashes + b.hashes, "<u8")).tobytes()
    return ColumnSketch(
        name=a.name,
        dtype=_together(a, b),
        count=count,
        nulls=a.nulls + b.nulls,
        odd=a.odd + b.odd,
        low=min(a.low, b.low),
        high=max(a.high, b.high),
        mean=mean,
        m2=a.m2 + b.m2 + apart * apart * a.count * share,
        hashes=hashes,
        top=top,
        missed=missed,
    )


def _together(a: ColumnSketch, b: ColumnSketch) -> str:
    """The type of both; a column without any value has none of its own."""
    known = [each.dtype for each in (a, b) if each.count + each.odd] or [a.dtype or b.dtype]
    if len(set(known)) == 1:
        return known[0]
    if set(known) == {"int", "float"}:
        return "float"
    raise InvalidValue(
        what=f"The column `{a.name}` is not of one type in both tables", found=" and ".join(known)
    )


def _smallest(sketches: list[Sketch], size: int) -> dict[str, Any]:
    """`ranks` and `sampled` of the rows with the smallest ranks among those of some sketches."""
    ranks = [np.frombuffer(each.ranks, "<u8") for each in sketches]
    together = np.concatenate(ranks)
    order = np.argsort(together, kind="stable")[:size]
    sampled = {}
    for name in dict.fromkeys(name for each in sketches for name in each.sampled):
        parts = [
            np.frombuffer(each.sampled[name], "<f8") if name in each.sampled else np.full(rank.size, np.nan)
            for each, rank in zip(sketches, ranks, strict=True)
        ]
        sampled[name] = np.concatenate(parts)[order].tobytes()
    return {"ranks": together[order].tobytes(), "sampled": sampled}
