"""Where training rows end and the holdout begins."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

import polars as pl

from penstock.datasets.types import WRITTEN
from penstock.features.holdout import read_holdout
from penstock.features.types import RowsSettings

Marks = Callable[[datetime], pl.Series]
"""Gives the `marks_of` those of some rows that happened at a time, in their order."""


class Cut(NamedTuple):
    """Held out are so many `rows`: all after `time`, and those at it of this `mark` or a higher one."""

    time: datetime
    rows: int
    mark: int | None = None


def cut_of(asked: RowsSettings, times: pl.Series, marks: Marks) -> Cut:
    """Where rows of these times, shape (n,), are cut.

    A span ends at the newest time. A share is the rows with the latest times, and of those with the same
    time some by chance: the ones of the highest marks. Marks are asked for only where a time is cut through.
    """
    holdout = read_holdout(asked.holdout)
    if not holdout.share:
        newest: datetime = times.max()  # type: ignore[assignment]
        end = newest - holdout.span
        return Cut(end, int((times > end).sum()))
    many = max(1, round(holdout.share * times.len()))
    time: datetime = times.sort(descending=True)[many - 1]
    later, tied = int((times > time).sum()), int((times == time).sum())
    if later + tied == many:
        return Cut(time, many, 0)
    chance = marks(time)
    mark: int = chance.sort(descending=True)[many - later - 1]
    return Cut(time, later + int((chance >= mark).sum()), mark)


def held_out(times: pl.Series, cut: Cut, marks: Marks) -> pl.Series:
    """Whether each of n rows of these times is of the holdout: booleans, shape (n,)."""
    held = times > cut.time
    if cut.mark is None:
        return held
    same = times == cut.time
    if not cut.mark:
        return held | same
    return held.scatter(same.arg_true(), marks(cut.time) >= cut.mark)


def marks_in(rows: pl.DataFrame, asked: RowsSettings) -> Marks:
    """The marks of rows of the source that are all at hand."""
    return lambda at: marks_of(rows.filter(pl.col(asked.source.event_time) == at), asked)


def marks_of(rows: pl.DataFrame, asked: RowsSettings) -> pl.Series:
    """Chance that depends on the values of a row other than its label: whole numbers, shape (n,).

    Rows with the same values are on the same side, in whatever order they come and whoever asks.
    """
    return rows.drop(asked.label, WRITTEN, strict=False).hash_rows(seed=0)
