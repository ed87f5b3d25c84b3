"""Columns of text: each value as a few numbers, of which means are watched, and how often words come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from hashlib import blake2b
from itertools import pairwise

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from penstock.datasets.types import ColumnProfile, TextProfile

SIZE = 16
"""Numbers that a text's words become; one more is how many words it has."""
WORDS = 200
"""Words of the reference that are counted one by one, the commonest."""
NEW = 100
"""Words beyond those that are counted of other tables, the commonest of each part."""
KNOWN_OF = 5
"""Texts of the reference below which a word is not named."""
ROWS = 5_000
"""Texts of a day of the reference that are looked at, evenly spread over it; of the whole of it so many times
as it takes to know its words.
"""
LONGEST = 2_000
"""Characters of a text that are looked at."""
_AT_ONCE = 20_000
_SEVERAL = r"^\s*\S*\p{L}\S*\s+(\S+\s+)*?\S*\p{L}"
_WORD = r"[\p{L}\p{M}\p{N}]+"
Numbers = NDArray[np.float64]


class TextDays(msgspec.Struct, frozen=True, kw_only=True):
    """What the numbers of texts were on average on each of D days, of so many `rows` that were looked at.

    `means` are little-endian float32 of shape (D, SIZE + 1), `within` the covariance of the rows of a day,
    of shape (SIZE + 1, SIZE + 1).
    """

    rows: tuple[int, ...]
    means: bytes
    within: bytes

    def numbers(self) -> tuple[Numbers, Numbers]:
        """The means and the covariance."""
        means, within = (np.frombuffer(each, "<f4").astype(np.float64) for each in (self.means, self.within))
        return means.reshape(-1, SIZE + 1), within.reshape(SIZE + 1, SIZE + 1)


def is_text(values: pl.Series, column: ColumnProfile) -> bool:
    """Whether most values are rare ones, and most are of several words."""
    if values.dtype != pl.String or column.other <= column.count / 2:
        return False
    some = values.drop_nulls()
    several = some[_spread(some.len(), ROWS)].str.slice(0, LONGEST).str.contains(_SEVERAL)
    return int(several.sum()) > several.len() / 2


def text_profile(values: pl.Series) -> TextProfile:
    """The statistics of texts that others will be held against, with the words that are commonest in them."""
    some = values[_spread(values.len(), 4 * ROWS)]
    _, codes, words, _ = _words(some)
    counts = zip(words, np.bincount(codes, minlength=len(words)).tolist(), strict=True)
    known = sorted(((word, count) for word, count in counts if count >= KNOWN_OF), key=_commonest)
    own = TextProfile(name=values.name, rows=some.len(), words=dict(known[:WORDS]))
    return msgspec.structs.replace(text_like(some, own), new={})


def text_like(values: pl.Series, reference: TextProfile) -> TextProfile:
    """The statistics of texts as those of the reference are told: its words, and others that are commonest.

    Such statistics of several tables merge: sums exactly, other words as far as they are kept.
    """
    total, length = np.zeros(SIZE + 1), 0
    seen: Counter[str] = Counter()
    for start in range(0, values.len(), _AT_ONCE):
        numbers, words, count = _embedded(values.slice(start, _AT_ONCE), reference)
        total += numbers.sum(axis=0)
        length += count
        seen.update(words)
    return TextProfile(
        name=reference.name,
        rows=values.len(),
        sums=tuple(total.tolist()),
        length=length,
        words={word: seen.pop(word, 0) for word in reference.words},
        new=_kept(seen),
    )


def text_days(values: pl.Series, place: NDArray[np.int64], days: int, reference: TextProfile) -> TextDays:
    """The numbers of texts by day, where row i is of day `place[i]`; of many rows of a day ROWS are taken."""
    order = np.argsort(place, kind="stable")
    bounds = np.searchsorted(place[order], np.arange(days + 1))
    ours = [order[a + _spread(b - a, ROWS)] for a, b in pairwise(bounds.tolist())]
    sizes = np.array([len(each) for each in ours])
    sums, squares = np.zeros((days, SIZE + 1)), np.zeros((SIZE + 1, SIZE + 1))
    looked = np.concatenate(ours)
    day_of = np.repeat(np.arange(days), sizes)
    for start in range(0, len(looked), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        numbers, _, _ = _embedded(values[looked[part]], reference)
        np.add.at(sums, day_of[part], numbers)
        squares += numbers.T @ numbers
    means = sums / np.maximum(sizes, 1)[:, None]
    within = (squares - (means * sizes[:, None]).T @ means) / max(1, len(looked))
    return TextDays(
        rows=tuple(sizes.tolist()), means=means.astype("<f4").tobytes(), within=within.astype("<f4").tobytes()
    )


def merged(a: Sequence[TextProfile], b: Sequence[TextProfile]) -> tuple[TextProfile, ...]:
    """The statistics of the texts of two tables together, of those columns that both have."""
    others = {each.name: each for each in b}
    return tuple(_added(each, others[each.name]) for each in a if each.name in others)


def _added(a: TextProfile, b: TextProfile) -> TextProfile:
    return TextProfile(
        name=a.name,
        rows=a.rows + b.rows,
        sums=tuple(left + right for left, right in zip(a.sums, b.sums, strict=True)),
        length=a.length + b.length,
        words={word: count + b.words.get(word, 0) for word, count in a.words.items()},
        new=_kept(Counter(a.new) + Counter(b.new)),
    )


def _embedded(values: pl.Series, reference: TextProfile) -> tuple[Numbers, dict[str, int], int]:
    """Each of n texts as numbers, shape (n, SIZE + 1), in how many of them each word is, and all words.

    Each word has a direction of its own, whose signs are bits of its digest, and a text has the mean
    direction of its words, each counted once, of length 1; words that many texts of the reference have count
    less. The last number is the logarithm of one more than its words. A missing text has no word, and is 0
    throughout.
    Sources: D. Achlioptas, Database-friendly random projections (2003); K. Weinberger et al., Feature hashing
    for large scale multitask learning (2009), for words that nobody has listed before.
    """
    rows, codes, words, lengths = _words(values)
    digests = b"".join(blake2b(word.encode(), digest_size=SIZE // 8).digest() for word in words)
    bits = np.unpackbits(np.frombuffer(digests, np.uint8)).reshape(-1, SIZE)
    rare = np.array([1 - reference.words.get(word, 0) / reference.rows for word in words])
    found = np.empty((values.len(), SIZE + 1))
    for index, towards in enumerate((bits.T * 2.0 - 1.0) * rare):
        found[:, index] = np.bincount(rows, weights=towards[codes], minlength=values.len())
    size = np.sqrt((found[:, :SIZE] ** 2).sum(axis=1, keepdims=True))
    found[:, :SIZE] /= np.where(size > 0, size, 1.0)
    found[:, SIZE] = np.log1p(lengths)
    counts = np.bincount(codes, minlength=len(words)).tolist()
    return found, dict(zip(words, counts, strict=True)), int(lengths.sum())


def _words(
    values: pl.Series,
) -> tuple[NDArray[np.int64], NDArray[np.int64], list[str], NDArray[np.int64]]:
    """The words of n texts, of each text each once, m in all: of which text each is, and which of the
    different ones, both of shape (m,); these; and how many words each text has, shape (n,).
    """
    lists = values.str.slice(0, LONGEST).str.to_lowercase().str.extract_all(_WORD)
    lengths = lists.list.len().fill_null(0).to_numpy().astype(np.int64)
    lists = lists.list.unique(maintain_order=True)
    rows = np.repeat(np.arange(values.len()), lists.list.len().fill_null(0).to_numpy())
    flat = lists.drop_nulls().explode(empty_as_null=False)
    marks = flat.hash().to_numpy()  # to tell numbers apart takes a fraction of telling text apart
    _, first, codes = np.unique(marks, return_index=True, return_inverse=True)
    return rows, codes.astype(np.int64), flat[first].to_list(), lengths


def _kept(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=_commonest)[:NEW])


def _commonest(pair: tuple[str, int]) -> tuple[int, str]:
    return -pair[1], pair[0]


def _spread(rows: int, most: int) -> NDArray[np.int64]:
    """The places of `most` rows at most, evenly spread."""
    count = min(rows, most)
    return np.arange(count) * rows // max(1, count)
