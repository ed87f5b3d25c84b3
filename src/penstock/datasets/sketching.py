"""One pass over a table that makes its sketch, in batches of its rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from hashlib import blake2b
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from penstock.datasets.columns import column_type
from penstock.datasets.sketches import (
    COUNTERS,
    HASHES,
    ColumnSketch,
    Sketch,
    heavy,
    joined,
    size_of,
    smallest_of,
)
from penstock.datasets.types import LONGEST

BATCH = 1 << 18
"""Rows that are looked at together, of narrow tables."""
BATCH_CELLS = 1 << 24
"""Values that are looked at together at most, as long as there are a thousand rows."""
_BLOCK = 1 << 15
"""Numbers that are looked at together, so that they stay in the processor's cache."""
_MANY = 1 << 16
"""Rows from which on several threads pay."""
_SEED = 20130301
_MIX = np.uint64(0xBF58476D1CE4E5B9), np.uint64(32), np.uint64(0x94D049BB133111EB)
"""Two multipliers and a shift between them.
Source: the finalizer of G. Steele and others, Fast splittable pseudorandom number generators (2014).
"""
NUMBERS = frozenset({"int", "float", "time"})
_BEGINNING = (
    pl.when(pl.col("value").str.len_chars() > LONGEST)
    .then(pl.col("value").str.slice(0, LONGEST) + "…")
    .otherwise(pl.col("value"))
)
_Numbers = NDArray[np.float64]
_Hashes = NDArray[np.uint64]


def sketch(table: pl.DataFrame | pl.LazyFrame) -> Sketch:
    """The sketch of a table, read once and in parts where it is lazy.

    The same rows in the same order give the same sketch. Columns of lists and the like are only counted.
    """
    schema = table.collect_schema()
    kinds = {name: column_type(dtype) for name, dtype in schema.items()}
    columns = [ColumnSketch(name=name, dtype=kind) for name, kind in kinds.items()]
    sample = _Sample(size_of(len(columns)), [name for name, kind in kinds.items() if kind in NUMBERS])
    rows = 0
    with _threads() as threads:
        for part in _parts(table, min(BATCH, max(1000, BATCH_CELLS // max(1, len(columns))))):
            each = threads if part.height >= _MANY else map
            found = list(each(_of_column, part.get_columns(), columns))
            new = [column for column, _ in found]
            columns = [joined(before, now) for before, now in zip(columns, new, strict=True)] if rows else new
            rows += part.height
            sample.take(_ranks(part.height, new), [values for _, values in found if values is not None])
    return Sketch(
        rows=rows, columns=tuple(columns), size=sample.size, maker=hash_of_text(), **sample.smallest()
    )


def hash_of_text() -> int:
    """What the hash function for text gives for one of them: other versions of Polars may have others."""
    return int(pl.Series(["penstock"]).hash(_SEED)[0])


@contextmanager
def _threads() -> Iterator[Callable[..., Iterable[Any]]]:
    with ThreadPoolExecutor(pl.thread_pool_size()) as pool:
        yield pool.map


def _parts(table: pl.DataFrame | pl.LazyFrame, rows: int) -> Iterator[pl.DataFrame]:
    if isinstance(table, pl.DataFrame):
        yield from (part for part in table.iter_slices(rows) if part.height)
    else:
        yield from table.collect_batches(chunk_size=rows, maintain_order=True)


def _of_column(values: pl.Series, before: ColumnSketch) -> tuple[ColumnSketch, _Numbers | None]:
    """The sketch of some values, of whose hashes only those count that are below the largest known before.

    With numbers also the values themselves, not-a-number where there are none.
    """
    values = values.alias("value")  # a name may be a pattern to Polars
    known = np.frombuffer(before.hashes, "<u8")
    limit = known[-1] if known.size == HASHES else None
    if before.dtype in NUMBERS:
        return _of_numbers(values, before, limit)
    if before.dtype == "other":
        nulls = values.null_count()
        return ColumnSketch(name=before.name, dtype="other", count=values.len() - nulls, nulls=nulls), None
    return _of_texts(values, before, limit), None


def _of_numbers(
    values: pl.Series, before: ColumnSketch, limit: np.uint64 | None
) -> tuple[ColumnSketch, _Numbers]:
    nulls = values.null_count()
    everything = as_numbers(values)
    low, high, shift, total, squares = math.inf, -math.inf, 0.0, 0.0, 0.0
    count, smallest = 0, np.empty(0, "<u8")
    with np.errstate(over="ignore", invalid="ignore"):
        for start in range(0, everything.size, _BLOCK):
            block = everything[start : start + _BLOCK]
            sum_ = float(block.sum())
            if not math.isfinite(sum_):
                block = block[np.isfinite(block)]
                sum_ = float(block.sum())
            if not block.size:
                continue
            shift = shift if count else sum_ / block.size
            count += block.size
            low, high = min(low, float(block.min())), max(high, float(block.max()))
            hashes = _hashed(block)
            if limit is not None:
                hashes = hashes[hashes < limit]
            if hashes.size:
                smallest = smallest_of(smallest, hashes)
                limit = smallest[-1] if smallest.size == HASHES else limit
            apart = block - shift
            total += float(apart.sum())
            squares += float(np.square(apart, out=apart).sum())  # BLAS would start threads of its own
        m2 = max(0.0, squares - total * total / count) if count else 0.0
    found = ColumnSketch(
        name=before.name,
        dtype=before.dtype,
        count=count,
        nulls=nulls,
        odd=values.len() - nulls - count,
        low=low,
        high=high,
        mean=shift + total / count if count else 0.0,
        m2=m2,
        hashes=smallest.tobytes(),
    )
    if found.count < values.len():
        everything = np.where(np.isfinite(everything), everything, np.nan)
    return found, everything


def as_numbers(values: pl.Series) -> _Numbers:
    """Numbers as they are, times in microseconds since 1970 (UTC), of a day since midnight; nulls are NaN."""
    if values.dtype == pl.Time:
        values = values.to_physical() / 1000
    elif values.dtype.is_temporal():
        values = values.cast(pl.Datetime("us", getattr(values.dtype, "time_zone", None))).to_physical()
    numbers: _Numbers = values.cast(pl.Float64).to_numpy()
    return numbers


def _hashed(block: _Numbers) -> _Hashes:
    """64 bits for each number, the same for both zeros."""
    mixed: _Hashes = (block + 0.0).view("<u8")
    first, shift, second = _MIX
    mixed *= first
    mixed ^= mixed >> shift
    mixed *= second
    return mixed


def _of_texts(values: pl.Series, before: ColumnSketch, limit: np.uint64 | None) -> ColumnSketch:
    nulls = values.null_count()
    counts = values.drop_nulls().value_counts(name="rows")
    texts = counts["value"].cast(pl.String)
    hashes = texts.hash(_SEED).to_numpy().astype("<u8")
    if limit is not None:
        hashes = hashes[hashes < limit]
    lengths = texts.str.len_bytes()
    named = counts.with_columns(value=texts)
    if before.dtype == "string" and counts.height and lengths.max() > LONGEST:  # type: ignore[operator]
        named = named.with_columns(_BEGINNING).group_by("value").agg(pl.col("rows").sum())
    common = named.top_k(COUNTERS + 1, by="rows") if named.height > COUNTERS else named
    top, missed = heavy(dict(common.iter_rows()), 0)
    long = before.dtype == "string" and counts.height
    return ColumnSketch(
        name=before.name,
        dtype=before.dtype,
        count=values.len() - nulls,
        nulls=nulls,
        low=float(lengths.min()) if long else math.inf,  # type: ignore[arg-type]  # lengths are whole numbers
        high=float(lengths.max()) if long else -math.inf,  # type: ignore[arg-type]
        hashes=np.sort(hashes)[:HASHES].tobytes(),
        top=top,
        missed=missed,
    )


def _ranks(rows: int, columns: list[ColumnSketch]) -> _Hashes:
    """A random number for each row; what begins them is the content, so that equal tables are equal."""
    told = [(c.name, c.count, c.nulls, c.low, c.high, c.hashes[:8]) for c in columns]
    seed = int.from_bytes(blake2b(repr(told).encode(), digest_size=16).digest(), "big")
    return np.random.default_rng(seed).integers(0, 1 << 64, rows, dtype=np.uint64)


class _Sample:
    """The rows with the smallest ranks so far, and others that wait to be sorted among them."""

    def __init__(self, size: int, names: list[str]) -> None:
        self.size = size
        self._names = names
        self._ranks: list[_Hashes] = []
        self._values: list[list[_Numbers]] = []
        self._limit: np.uint64 | None = None
        self._held = 0

    def take(self, ranks: _Hashes, columns: list[_Numbers]) -> None:
        """Take rows of these ranks, where they are not too large already."""
        chosen = np.flatnonzero(ranks < self._limit) if self._limit is not None else np.arange(ranks.size)
        if chosen.size > self.size:
            chosen = np.sort(np.argpartition(ranks, self.size)[: self.size])
        self._ranks.append(ranks[chosen])
        self._values.append([values[chosen] for values in columns])
        self._held += chosen.size
        if self._held > 2 * self.size:
            self._sort()

    def smallest(self) -> dict[str, Any]:
        """`ranks` and `sampled` of a sketch."""
        self._sort()
        values = zip(self._names, self._values[0] if self._values else [], strict=False)
        return {
            "ranks": self._ranks[0].astype("<u8").tobytes() if self._ranks else b"",
            "sampled": {name: column.astype("<f8").tobytes() for name, column in values},
        }

    def _sort(self) -> None:
        if not self._ranks:
            return
        ranks = np.concatenate(self._ranks)
        order = np.argsort(ranks, kind="stable")[: self.size]
        columns = [np.concatenate(parts)[order] for parts in zip(*self._values, strict=True)]
        self._ranks, self._values, self._held = [ranks[order]], [columns], order.size
        self._limit = self._ranks[0][-1] if order.size == self.size else None
