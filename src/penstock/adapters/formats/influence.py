"""How much each input moves a model's answers."""

from __future__ import annotations

import numpy as np
import polars as pl

from penstock.adapters.formats.native import Answering

SEED = 20130301


def influence(native: Answering, frame: pl.DataFrame, classes: int) -> dict[str, float]:
    """The share of each column in how far answers to n rows move when its values are shuffled.

    The shares sum to 1; all are 0 where no shuffling moves an answer. No label is asked for: what drifts
    in a column matters as far as answers follow it. Source: permutation importance (L. Breiman, Random
    Forests, 2001), of answers in place of errors.
    """
    chance = np.random.default_rng(SEED)
    before = native.answer(frame).score(classes)
    moved = {}
    for name in frame.columns:
        shuffled = frame.with_columns(frame[name][chance.permutation(frame.height)])
        moved[name] = float(np.abs(native.answer(shuffled).score(classes) - before).mean())
    total = sum(moved.values())
    return {name: distance / total if total else 0.0 for name, distance in moved.items()}
