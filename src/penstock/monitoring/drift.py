"""Pure judgement of drift: a window of answers beside the days that the version was trained on."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, get_args

import msgspec
import numpy as np

from penstock.checks.pairs import RelatedDays
from penstock.checks.shifts import FEWEST_DAYS, FEWEST_ROWS, Calibration, Column, calibrate
from penstock.datasets.days import Days
from penstock.datasets.pairs import correlations, of_days, pairs_of, size_of
from penstock.datasets.profiles import cells, psi
from penstock.datasets.types import ColumnProfile, Products, TextProfile
from penstock.models.types import Version
from penstock.monitoring import wording
from penstock.monitoring.types import Moved, What, Window

ENOUGH = 30
"""Answers in a window below which nothing is said of it."""
HEEDED = 0.01
"""The share of a column in the movement of answers below which its drift alone is no alarm."""
IDENTIFIER = 0.5
"""The share of values beyond the commonest at which a column tells rows apart, and its drift says nothing."""
MISSING = 0.05
"""The share of rows by which missing values must be more or fewer to be told of, where training had some."""
IDENTIFIES = "most of its values are new ones, as those of an identifier are"
PAIRS = 3
"""Pairs of columns that are named at most, those that went together most otherwise."""
JOINTLY = 5
"""Columns that are named at most where many moved a little, those that did most."""
SPANS = (2, 3)
"""Days that are looked at together where each by itself is as in training, the fewest first."""
_STEP = 2 ** (1 / 3)
SEED = 20130301


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """What was found of a window: the columns that moved, the surest first, or why nothing is said.

    `chance` is how likely any column seems to move so far in a window without change; `aside` are columns of
    which nothing is said, and why. Where the window was `learnt`, later ones are held against it. What moved
    `jointly` did not move far enough by itself, and those are named that moved most. Where the newest of some
    `days`, in order, is no change by itself, they were looked at together.
    """

    moved: tuple[Moved, ...] = ()
    chance: float = 1.0
    unsaid: str = ""
    aside: dict[str, str] = {}
    learnt: bool = False
    jointly: bool = False
    days: tuple[Window, ...] = ()


def watched(days: Days, names: Collection[str]) -> tuple[dict[str, Column], dict[str, str], str]:
    """Those of some columns that are watched, with their counts by day; those that are not, and why; or why
    none is.
    """
    known = {column.name: _column(days, column) for column in days.profile.columns if column.name in names}
    aside = {name: IDENTIFIES for name, column in known.items() if _identifies(days, name, column)}
    enough = {name: column for name, column in known.items() if name not in aside}
    if not enough:
        return {}, aside, "no column is left to watch" if known else "nobody knows how they were in training"
    first = next(iter(enough.values())).days.sum(axis=1)
    some, rows = int((first > 0).sum()), int(first.sum())
    if some < FEWEST_DAYS or rows < FEWEST_ROWS:
        short = (
            f"the version knows {rows:,} rows of {'1 day' if some == 1 else f'{some:,} days'}, and to know "
            f"how much one day differs from another takes {FEWEST_ROWS} of {FEWEST_DAYS}"
        )
        return {}, aside, short
    return {name: column.of(first > 0) for name, column in enough.items()}, aside, ""


def together(
    days: Days, names: Collection[str], products: Products | None, influence: Mapping[str, float]
) -> RelatedDays | None:
    """How those of some columns that answers heed, and of which a window knows it, went together on the days
    that `watched` keeps; None where there are no two of them.
    """
    shared = [name for name in days.pairs.names if products and name in products.names and name in names]
    heeded = [name for name in shared if influence.get(name, 1.0) >= HEEDED]
    if not products or len(heeded) < 2:
        return None
    rows, found, spread = of_days(days.pairs, heeded)
    return RelatedDays(tuple(heeded), rows, found, spread, like(size_of(products)))


def calibrated(
    columns: Mapping[str, Column], rows: int, pairs: RelatedDays | None = None, *, span: int = 1
) -> Calibration:
    """What a window of about so many rows of `span` days looks like without change: as many or a few less."""
    return calibrate(columns, like(rows), seed=SEED, pairs=pairs, span=span)


def like(rows: int) -> int:
    """The round number of rows, not above it, for which a window is calibrated."""
    return int(_STEP ** math.floor(math.log(rows, _STEP) + 1e-9)) if rows > 0 else 0


def judged(
    calibration: Calibration,
    found: Mapping[str, ColumnProfile],
    days: Days,
    influence: Mapping[str, float],
    chance: float,
    *,
    products: Products | None = None,
    texts: Sequence[TextProfile] = (),
) -> Judgement:
    """Hold a window's columns against the calibration, so that without change it alarms with `chance`.

    A column that answers hardly heed (see HEEDED) is told where it moved, and raises no alarm by itself. How
    columns go together is asked only of those that stand still: what moves, takes its relations along. What
    many do a little is asked where nothing else alarms. `texts` tell of those columns that hold text.
    """
    references = {column.name: column for column in days.profile.columns}
    seen = {each.name: each for each in texts}
    about = {name: wording.means_of(seen[name]) for name in calibration.texts}
    counts = {
        name: np.array([each.count, each.nulls] if name in about else cells(each, references[name]))
        for name, each in ((name, found[name]) for name in calibration.names)
    }
    means = {name: found[name].mean if found[name].count else references[name].mean for name in counts}
    distances, heights = calibration.standardised(counts, means, about)
    bound = calibration.bound(chance)

    def told_of(index: int) -> Moved:
        name = calibration.names[index]
        of = _whole(days, name)
        text = name in about
        return Moved(
            column=name,
            distance=None if text else round(float(distances[index]), 4),
            psi=None if text else round(psi(of, found[name]), 4),
            chance=calibration.chance(float(heights[index])),
            influence=round(influence.get(name, 1.0), 4) if influence else None,
            how=about_text(name) if text else told(of, found[name]),
        )

    def about_text(name: str) -> str:
        apart = calibration.texts[name].apart(about[name])
        how = wording.told(_text(days, name), seen[name], apart)
        return ", ".join([how, *_missing(_whole(days, name), found[name])])

    order = sorted(range(len(heights)), key=lambda index: -heights[index])
    moved = [told_of(index) for index in order if heights[index] > bound]
    if products:
        moved += _apart(calibration, products, {each.column for each in moved}, bound)
    alarming = [each for each in moved if each.influence is None or each.influence >= HEEDED]
    likely = min((each.chance for each in alarming), default=1.0)
    jointly: list[Moved] = []
    if not alarming and calibration.joint and (height := calibration.joint.height(means)) > bound:
        likely = calibration.chance(height)
        names = calibration.joint.most(means, JOINTLY)
        jointly = [told_of(calibration.names.index(name)) for name in names]
    return Judgement(
        moved=tuple(moved if alarming else jointly),
        chance=likely,
        aside={each.column: f"it moved ({each.how}), and answers hardly heed it" for each in moved}
        if not alarming
        else {},
        jointly=bool(jointly),
    )


def _apart(calibration: Calibration, products: Products, moved: Collection[str], bound: float) -> list[Moved]:
    """The pairs of columns that went together most otherwise, where they are beyond the bound."""
    if (related := calibration.related) is None:
        return []
    found, pairs = correlations(products, related.names), pairs_of(related.names)
    still = np.array([a not in moved and b not in moved for a, b in pairs])
    off = np.where(still, related.off(found), 0.0)
    height = related.height(off)
    if height <= bound:
        return []
    most = [index for index in np.argsort(-np.abs(off)) if abs(off[index]) >= np.abs(off).max() / 2]
    return [
        Moved(
            column=" and ".join(pairs[index]),
            distance=None,
            psi=None,
            chance=calibration.chance(height),
            influence=None,
            how=f"rank correlation {found[index]:.2f}, was {related.correlations[index]:.2f}",
        )
        for index in most[:PAIRS]
    ]


def told(before: ColumnProfile, now: ColumnProfile) -> str:
    """How a column differs from what it was, in a sentence of numbers.

    Missing values and new categories are told of beside what moved most, where training had none of them.
    """
    rows = now.count + now.nulls
    said = [_most(before, now), *_missing(before, now)]
    fresh = 0 if before.edges or before.other else now.count - sum(now.top.get(v, 0) for v in before.top)
    if fresh:
        said.append(f"new categories, which training never saw, in {fresh:,} of {rows:,} rows")
    return ", ".join(said)


def _missing(before: ColumnProfile, now: ColumnProfile) -> list[str]:
    """What is to be said of missing values, if anything."""
    rows, were = now.count + now.nulls, before.count + before.nulls
    if now.nulls and not before.nulls:
        return [f"values are missing in {now.nulls:,} of {rows:,} rows, in training in none"]
    if abs(now.nulls / rows - before.nulls / were) > MISSING:
        return [f"missing values from {before.nulls / were:.0%} to {now.nulls / rows:.0%}"]
    return []


def _most(before: ColumnProfile, now: ColumnProfile) -> str:
    """How far its mean moved, of numbers; and of categories the share of that which moved most."""
    if before.edges:
        apart = (now.mean - before.mean) / before.std if before.std and now.count else 0.0
        by = f", by {apart:+.1f} standard deviations" if apart else ""
        return f"mean from {before.mean:.4g} to {now.mean:.4g}{by}" if now.count else "no values any more"
    rows, were = now.count + now.nulls, before.count + before.nulls
    fresh, old = now.count - sum(now.top.get(v, 0) for v in before.top), before.other
    shares = {value: now.top.get(value, 0) / rows - count / were for value, count in before.top.items()}
    most = max(shares, key=lambda value: abs(shares[value]), default="")
    if not most or (old and fresh / rows - old / were > abs(shares[most])):
        return f"values that were rare or unknown from {old / were:.0%} to {fresh / rows:.0%}"
    gone = "" if now.top.get(most) else ", where it is not seen any more"
    return f"{most} from {before.top[most] / were:.0%} to {now.top.get(most, 0) / rows:.0%}{gone}"


def shares(version: Version, window: Window, columns: Sequence[Moved]) -> list[dict[str, Any]]:
    """The share of each bin or category in training and in a window, or that of texts with each word, for
    columns that moved.
    """
    found = {column.name: column for column in window.profile.columns}
    texts, were = ({each.name: each for each in of.profile.texts} for of in (window, version))
    references = {column.name: column for column in version.profile.columns}
    shown = []
    for name in (each.column for each in columns if each.column in references and each.column in found):
        reference = references[name]
        if name in texts:
            words = wording.shares_of(were[name], texts[name])
            names, both = list(words), [list(each) for each in zip(*words.values(), strict=True)]
        else:
            names = _names(reference)
            both = [_parts(cells(each, reference)) for each in (reference, found[name])]
        shown.append({"column": name, "cells": names, "training": both[0], "window": both[1]})
    return shown


def _names(column: ColumnProfile) -> list[str]:
    if not column.edges:
        return [*column.top, "others", "null"]
    edges = [f"{edge:.4g}" for edge in column.edges]
    return [f"≤ {edges[0]}", *(f"≤ {edge}" for edge in edges[1:]), f"> {edges[-1]}", "null"]


def _parts(counts: Sequence[int]) -> list[float]:
    total = max(1, sum(counts))
    return [round(count / total, 4) for count in counts]


def since(windows: Sequence[Window], column: str) -> datetime:
    """When a column most likely began to be another, at the start of one of the windows, in order of time.

    The split after which its distance is on average the highest above that before, weighed by how many
    windows are on both sides, where a window without drift stands before the first.
    Source: binary segmentation (A. Scott and M. Knott, A cluster analysis method, 1974).
    """
    distances = np.array([0.0, *(window.drift.get(column, 0.0) for window in windows)])
    splits = np.arange(1, len(distances))
    gains = [
        (distances[k:].mean() - distances[:k].mean()) * math.sqrt(k * (len(distances) - k)) for k in splits
    ]
    return windows[int(np.argmax(gains))].start


def chance_of(times: int, span: timedelta) -> float:
    """With which chance a day's window may alarm falsely of one thing that is watched, for so many alarms of
    a model in a span: all that is watched of it shares them equally.
    """
    return min(0.5, times * (timedelta(days=1) / span)) / len(get_args(What))


def _column(days: Days, profile: ColumnProfile) -> Column:
    """A column's counts; of numbers the means too, and what spread is left within days; of text what it is
    about.
    """
    counts = np.array(days.counts[profile.name], dtype=np.int64)
    if profile.name in days.texts:
        there = np.column_stack([counts[:, :-1].sum(axis=1), counts[:, -1]])
        return Column(there, text=wording.joint_days(days.texts[profile.name]))
    if not profile.edges or profile.name not in days.means:
        return Column(counts)
    means, sizes = np.array(days.means[profile.name]), counts.sum(axis=1)
    between = float(np.average((means - np.average(means, weights=sizes)) ** 2, weights=sizes))
    return Column(counts, means, math.sqrt(max(0.0, profile.std**2 - between)))


def _identifies(days: Days, name: str, column: Column) -> bool:
    """Whether most values are beyond the commonest, as those of an identifier are."""
    profile = next(each for each in days.profile.columns if each.name == name)
    total = column.days.sum()
    return (
        not profile.edges
        and column.text is None
        and total > 0
        and column.days[:, -2].sum() / total > IDENTIFIER
    )


def _whole(days: Days, name: str) -> ColumnProfile:
    """The profile of a column that the window is held against."""
    return next(column for column in days.profile.columns if column.name == name)


def _text(days: Days, name: str) -> TextProfile:
    """What the texts of training were about."""
    return next(text for text in days.profile.texts if text.name == name)
