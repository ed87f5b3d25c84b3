"""What a column of text is about, beside what it was, and which of its words come more often and less."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from penstock.checks.joint import JointDays
from penstock.datasets.texts import Numbers, TextDays
from penstock.datasets.types import TextProfile

NAMED = 3
"""Words that are named at most of those that come more often, and less."""
SURELY = 4.0
"""By how many spreads of chance the share of a word must have moved to be named: there are hundreds."""
_LONGER = 1.25
"""How many times as many words a text must have, or as few, to be told of."""


def joint_days(days: TextDays) -> JointDays:
    """The numbers of texts by day, as columns that are looked at together."""
    means, within = days.numbers()
    spread = np.sqrt(np.maximum(0.0, np.diagonal(within)))
    scale = np.where(spread > 0, spread, 1.0)
    correlated: Numbers = within / np.outer(scale, scale)
    return JointDays(
        tuple(map(str, range(len(spread)))), np.array(days.rows, dtype=np.int64), means, spread, correlated
    )


def means_of(text: TextProfile) -> dict[str, float]:
    """The means of the numbers of a window's texts, by the names that `joint_days` gives them."""
    return {str(index): total / text.rows for index, total in enumerate(text.sums)}


def told(before: TextProfile, now: TextProfile, apart: float) -> str:
    """How far texts are from those of training, `apart` times as far as days are, and by which words."""
    said = [f"what it is about is {apart:.1f} times as far from training as days are"]
    were, are = before.length / before.rows, now.length / now.rows
    if abs(math.log((are + 0.1) / (were + 0.1))) > math.log(_LONGER):
        said.append(f"words in a text from {were:.1f} to {are:.1f}")
    more, less = _moved(before, now)
    said += [f"{how} often: {', '.join(words)}" for how, words in (("more", more), ("less", less)) if words]
    return ", ".join(said)


def shares_of(before: TextProfile, now: TextProfile) -> dict[str, tuple[float, float]]:
    """The share of texts that have each word, in training and now. Words beyond the commonest of training had
    the share of the rarest of those at most, and are there where they have more now.
    """
    rare = min(before.words.values(), default=0) / before.rows
    new = {word: (rare, count / now.rows) for word, count in now.new.items() if count > rare * now.rows}
    return {word: (n / before.rows, now.words[word] / now.rows) for word, n in before.words.items()} | new


def _moved(before: TextProfile, now: TextProfile) -> tuple[list[str], list[str]]:
    """The words that come more often and less, those first that moved most, as far as that is no chance."""
    shares = shares_of(before, now)
    off = {word: b - a for word, (a, b) in shares.items() if _sure(a, b, before.rows, now.rows)}
    order: Mapping[str, float] = dict(sorted(off.items(), key=lambda pair: (-abs(pair[1]), pair[0])))
    more = [word for word, by in order.items() if by > 0]
    return more[:NAMED], [word for word, by in order.items() if by < 0][:NAMED]


def _sure(before: float, now: float, rows: int, others: int) -> bool:
    of_all = (before * rows + now * others) / (rows + others)
    return abs(now - before) > SURELY * math.sqrt(of_all * (1 - of_all) * (1 / rows + 1 / others))
