"""Whether counts of a window differ from those of a reference by more than one day differs from another."""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from penstock.checks.joint import Joint, JointDays, joint
from penstock.checks.pairs import Related, RelatedDays, related, strayed
from penstock.checks.stretches import sums, telling

Numbers = NDArray[np.float64]
Counts = NDArray[np.int64]
RESAMPLES = 1000
TAIL = 20
"""Of the resamples the highest, by which those are told that would be higher still."""
FEWEST_DAYS = 20
"""Days of the reference below which nobody knows how much one day differs from another."""
FEWEST_ROWS = 200
"""Rows of the reference below which its shares are not known."""
_FLOOR = 0.5 / np.sqrt(8)
"""The least spread of a distance, for a window of one row: that of columns which never vary is not 0."""


class Column(msgspec.Struct, frozen=True):
    """The counts of a reference by day and cell, shape (D, B).

    Of numbers also the mean of each day, shape (D,), and the spread of the rows of a day. Of texts, whose
    cells are being there and missing, the means of the numbers that they become.
    """

    days: Counts
    means: Numbers | None = None
    within: float = 0.0
    text: JointDays | None = None

    def of(self, some: NDArray[np.bool_]) -> Column:
        """The column on some of its days, shape (D,)."""
        means, text = self.means, self.text
        if text is not None:
            text = msgspec.structs.replace(text, rows=text.rows[some], means=text.means[some])
        return Column(self.days[some], None if means is None else means[some], self.within, text)

    @property
    def shares(self) -> Numbers:
        """The share of each cell, shape (B,)."""
        total: Numbers = self.days.sum(axis=0) / max(1, self.days.sum())
        return total

    @property
    def mean(self) -> float:
        """The mean over the rows of all days."""
        return float(np.average(self.means, weights=self.days.sum(axis=1))) if self.means is not None else 0.0


class Calibration(msgspec.Struct, frozen=True):
    """What distances of C columns come out at for windows in which nothing changed.

    `centre` and `spread` have shape (2, C), of distances and of how far means are off; `largest` are the
    largest standardised ones of each of R windows, in order, of two kinds (see `calibrate`), shape (2, R).
    `related` is how columns go together, and `joint` how far many are off at once: two more of the family.
    `texts` are what those of a column are about.
    """

    names: tuple[str, ...]
    reference: dict[str, Numbers]
    means: dict[str, float]
    centre: Numbers
    spread: Numbers
    largest: Numbers
    rows: int
    related: Related | None = None
    joint: Joint | None = None
    texts: dict[str, Joint] = {}

    def standardised(
        self,
        found: Mapping[str, Counts],
        means: Mapping[str, float],
        texts: Mapping[str, Mapping[str, float]] | None = None,
    ) -> tuple[Numbers, Numbers]:
        """The distances of a window's counts, and how far each column is off, shape (C,).

        That is by how many spreads its distance is above the centre, or of numbers its mean, if that is more,
        and so of `texts` by name what they are about.
        """
        shape = len(self.names), max((len(each) for each in self.reference.values()), default=0)
        shares, usual = np.zeros(shape), np.zeros(shape)  # a cell that nothing is in adds nothing
        for index, name in enumerate(self.names):
            cells = len(self.reference[name])
            shares[index, :cells], usual[index, :cells] = _shares(found[name]), self.reference[name]
        distances = jensen_shannon(shares, usual)
        off = np.array([abs(means[n] - self.means[n]) if n in self.means else np.nan for n in self.names])
        heights = (np.array([distances, off]) - self.centre) / self.spread
        about = [self.texts[n].height(texts[n]) if texts and n in self.texts else np.nan for n in self.names]
        return distances, np.fmax(np.fmax(heights[0], heights[1]), about)

    def chance(self, height: float) -> float:
        """How likely any of the columns comes out so far above its centre in a window without change."""
        return max(_chance(row, height) for row in self.largest)

    def bound(self, chance: float) -> float:
        """The height that a window without change exceeds with this chance at most."""
        return max(_exceeded(row, chance) for row in self.largest)


def calibrate(
    columns: Mapping[str, Column],
    rows: int,
    *,
    seed: int,
    resamples: int = RESAMPLES,
    pairs: RelatedDays | None = None,
    span: int = 1,
) -> Calibration:
    """Draw windows of `rows` rows out of the reference as they would come if nothing had changed.

    A day is a block: its rows share what is common to a day. A window of the first kind is drawn from the
    shares of one of the D days, of which the part that chance of the day's own rows explains has been taken
    away, so that it is not counted twice; the same day is drawn for all columns, since they vary together. A
    window of the second kind is of a day that never was: all days' differences from the mean, weighed at
    random, which keeps their covariance and reaches beyond the most extreme of a few days. What a few days
    leave unknown of how days differ widens both. Distances are those of Jensen and Shannon. How columns go
    together on the same days (`pairs`) is drawn in the same way, and how far those are off at once.

    Where a window is of `span` days, stretches of so many days in a row take the place of days, so that what
    lasts from one day to the next does so in what is drawn. Pairs are of single days, and left out there.
    Sources: B. Efron and R. Tibshirani, An Introduction to the Bootstrap (1993), chapter 8, for blocks; V.
    Chernozhukov, D. Chetverikov and K. Kato (2013), Gaussian approximations and multiplier bootstrap for
    maxima of sums of high-dimensional random vectors, for the largest of many columns at once.
    """
    random = np.random.default_rng(seed)
    stretches = {name: _in_a_row(column, span) for name, column in columns.items()}
    days = len(next(iter(stretches.values())).days)
    told = telling(np.column_stack([_numbers(column) for column in stretches.values()]), span)
    picked = random.integers(0, days, resamples)
    weights = random.normal(size=(resamples, days)) / np.sqrt(days)
    centre, spread = np.full((2, len(columns)), np.nan), np.ones((2, len(columns)))
    heights = np.zeros((2, len(columns) + 2 * (pairs is not None), resamples))

    def jointly(of: JointDays) -> tuple[Numbers, Joint]:
        widened = told.widened(random, resamples, len(of.names))
        drawn = {"picked": picked, "weights": weights, "widened": widened}
        usual, real, made = joint(of, rows, **drawn, random=random, span=span)
        found, middle, scatter = _standard(real, made, usual.least)
        return found, msgspec.structs.replace(usual, centre=middle, spread=scatter)

    texts = {}
    for index, (name, column) in enumerate(stretches.items()):
        mean, apart = column.shares, _apart(column)
        widened = told.widened(random, resamples)
        size = max(1, round(1 / (1 / rows + 1 / max(1, columns[name].days.sum()))))
        real, made = (
            jensen_shannon(_shares(random.multinomial(size, _proper(mean + moved))), mean)
            for moved in (widened * apart[picked], widened * (weights @ apart))
        )
        heights[:, index], centre[0, index], spread[0, index] = _standard(real, made, _FLOOR / np.sqrt(size))
        if column.means is not None:
            off, noise = _off(column), column.within / np.sqrt(size)
            real, made = (
                np.abs(widened[:, 0] * moved + random.normal(0, noise, resamples))
                for moved in (off[picked], weights @ off)
            )
            least = max(noise, 1e-12 + 1e-9 * float(np.abs(column.means).max()))
            more, centre[1, index], spread[1, index] = _standard(real, made, least)
            heights[:, index] = np.maximum(heights[:, index], more)
        if (text := columns[name].text) is not None:
            more, texts[name] = jointly(text)
            heights[:, index] = np.maximum(heights[:, index], more)
    together = at_once = None
    if pairs:
        usual = related(pairs)
        if span == 1:
            away = strayed(pairs)
            widened = told.widened(random, resamples)
            drawn = [usual.sizes(widened * moved) for moved in (away[picked], weights @ away)]
            found = [_standard(*each) for each in zip(*drawn, usual.least, strict=True)]
            heights[:, -2] = np.maximum(found[0][0], found[1][0])
            together = msgspec.structs.replace(
                usual,
                centre=np.array([each[1] for each in found]),
                spread=np.array([each[2] for each in found]),
            )
        heights[:, -1], at_once = jointly(_joint(columns, usual))
    return Calibration(
        names=tuple(columns),
        reference={name: column.shares for name, column in columns.items()},
        means={name: column.mean for name, column in columns.items() if column.means is not None},
        centre=centre,
        spread=spread,
        largest=np.sort(heights.max(axis=1), axis=1),
        rows=rows,
        related=together,
        joint=at_once,
        texts=texts,
    )


def _exceeded(heights: Numbers, chance: float) -> float:
    """What is exceeded with this chance, by heights in order, shape (R,)."""
    if chance * len(heights) >= TAIL:
        return float(heights[int(np.ceil((1 - chance) * (len(heights) + 1))) - 1])
    begin, scale = _tail(heights)
    return begin + scale * math.log(TAIL / (chance * len(heights)))


def _chance(heights: Numbers, height: float) -> float:
    """How likely this height is exceeded; one in so many as were drawn is the least that is told."""
    above = len(heights) - int(np.searchsorted(heights, height, side="left"))
    if above >= TAIL:
        return (1 + above) / (1 + len(heights))
    begin, scale = _tail(heights)
    return max(1 / (1 + len(heights)), TAIL / len(heights) * math.exp((begin - height) / scale))


def _tail(heights: Numbers) -> tuple[float, float]:
    """Where the highest TAIL begin, and by how much more one has to go for a chance that is e times smaller.

    The few highest tell little by their places. Beyond the TAIL heights are taken to thin out as an
    exponential does, which is slower than what is drawn here does.
    Source: J. Pickands, Statistical inference using extreme order statistics (1975).
    """
    begin = float(heights[-TAIL - 1])
    return begin, max(1e-9, float(heights[-TAIL:].mean()) - begin)


def jensen_shannon(p: Numbers, q: Numbers) -> Numbers:
    """The distance between shares, 0 to 1, along the last axis: the square root of the divergence in bits.

    Source: D. Endres and J. Schindelin, A new metric for probability distributions (2003).
    """
    middle = (p + q) / 2
    divergence = (_relative(p, middle) + _relative(q, middle)).sum(axis=-1) / 2
    distance: Numbers = np.sqrt(np.maximum(divergence, 0.0))
    return distance


def _relative(p: Numbers, middle: Numbers) -> Numbers:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(p > 0, p * np.log2(p / middle), 0.0)


def _numbers(column: Column) -> Numbers:
    """The mean of each day, of texts those of all numbers, or else the share of each cell, shape (D, 1),
    (D, K) or (D, B).
    """
    if column.text is not None:
        return column.text.means
    return column.means[:, None] if column.means is not None else _shares(column.days)


def _in_a_row(column: Column, span: int) -> Column:
    """A column by each stretch of so many days in a row."""
    if span == 1:
        return column
    days, means = sums(column.days, span), column.means
    if means is not None:
        means = sums(means * column.days.sum(axis=1), span) / np.maximum(1, days.sum(axis=1))
    if (text := column.text) is not None:
        size = sums(text.rows, span)
        of = sums(text.means * text.rows[:, None], span) / np.maximum(1, size)[:, None]
        text = msgspec.structs.replace(text, rows=size, means=of)
    return Column(days, means, column.within, text)


def _apart(column: Column) -> Numbers:
    """How far each day's shares are from those of all, shape (D, B), as far as that is the day's own doing.

    Scaled to chi-squares, days without a difference scatter by 1 in every direction; what they scatter more
    in a direction is theirs, and so much of it is kept.
    """
    sizes = column.days.sum(axis=1)
    mean = column.shares
    there = np.maximum(sizes, 1)
    scale = np.sqrt(there)[:, None] / np.sqrt(np.where(mean > 0, mean, np.inf))
    apart = np.where((sizes > 0)[:, None], column.days / there[:, None] - mean, 0.0) * scale
    left, singular, right = np.linalg.svd(apart, full_matrices=False)
    scatter = singular**2 / max(1, int((sizes > 0).sum()) - 1)
    with np.errstate(divide="ignore"):
        own = np.sqrt(np.maximum(0.0, 1 - 1 / scatter))
    kept: Numbers = (left * (singular * own)) @ right
    own_doing: Numbers = kept * np.sqrt(mean) / np.sqrt(there)[:, None]
    return own_doing


def _standard(real: Numbers, made: Numbers, least: float) -> tuple[Numbers, float, float]:
    """Two kinds of draws, shape (2, R), by their centre and their spread, which are given too."""
    centre = float(np.median(real))
    upper = float(np.quantile(real, 0.95) - centre) / 1.645
    spread = max(float(real.std()), float(made.std()), upper, least)
    heights: Numbers = (np.array([real, made]) - centre) / spread
    return heights, centre, spread


def _off(column: Column) -> Numbers:
    """How far each day's mean is from that of all, shape (D,), as far as that is the day's own doing."""
    sizes = np.maximum(column.days.sum(axis=1), 1)
    off = (column.means if column.means is not None else np.zeros(len(sizes))) - column.mean
    found = float((sizes * off**2).sum())
    chance = (len(sizes) - 1) * column.within**2
    own: Numbers = off * np.sqrt(max(0.0, 1 - chance / found) if found > 0 else 0.0)
    return own


def _joint(columns: Mapping[str, Column], related: Related) -> JointDays:
    """The means by day of columns of numbers that are looked at as pairs."""
    some = [columns[name] for name in related.names]
    return JointDays(
        names=related.names,
        rows=some[0].days.sum(axis=1),
        means=np.array([each.means for each in some]).T,
        within=np.array([each.within for each in some]),
        correlated=related.matrix,
    )


def _proper(shares: Numbers) -> Numbers:
    """Shares that are not below 0 and sum to 1."""
    cut = np.maximum(shares, 0.0)
    proper: Numbers = cut / cut.sum(axis=-1, keepdims=True)
    return proper


def _shares(counts: Counts) -> Numbers:
    shares: Numbers = counts / np.maximum(counts.sum(axis=-1, keepdims=True), 1)
    return shares
