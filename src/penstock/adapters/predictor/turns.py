"""Questions that come in one turn of the loop are asked of their model together, where that helps.

Under load several connections are ready at once: one run of the model answers all of them (adaptive
micro-batching without waiting; see docs/decisions).
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import accumulate, groupby
from operator import attrgetter

import msgspec

from penstock.adapters.predictor.faces import Face
from penstock.adapters.predictor.http import Give, Request
from penstock.adapters.predictor.table import Live
from penstock.serving.answers import Scored, predict_rows, predict_together
from penstock.serving.columns import Asked, Row, in_columns, whole
from penstock.serving.pen import Pen

MOST_ROWS = 256
"""Rows that are asked together at most."""
ALONE = 16
"""Rows of one question from which on it gains less than it takes to put it together with others."""
_live, _question, _rows = attrgetter("live"), attrgetter("question"), attrgetter("question.rows")


class Waiting(msgspec.Struct, frozen=True, gc=False):
    """A question that waits for the end of its turn, and whom to give the answer. Times are in seconds.

    A `pen` writes the answer where it is a usual one.
    """

    live: Live
    variant: str
    face: Face
    question: Asked
    request: Request
    give: Give
    began: float
    read: float
    pen: Pen | None = None


class Turns:
    """Collects questions until the loop has read what it can, then has their models asked."""

    def __init__(self, answer: Callable[[Sequence[Waiting], Scored | None], None]) -> None:
        """`answer` takes questions to one model with what it said of all of their rows, None where that was
        not asked yet.
        """
        self._answer = answer
        self._waiting: list[Waiting] = []

    def ask(self, waiting: Waiting) -> None:
        """Have a question answered, now or at the end of this turn."""
        if not waiting.live.together or waiting.question.rows >= ALONE:
            self._answer((waiting,), None)
            return
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._end)
        self._waiting.append(waiting)

    def _end(self) -> None:
        asked, self._waiting = self._waiting, []
        for _, of_one in groupby(asked, _live):
            group = list(of_one)
            while group:
                most = bisect_right(list(accumulate(map(_rows, group))), MOST_ROWS)
                self._run(group[:most])
                group = group[most:]

    def _run(self, group: list[Waiting]) -> None:
        """Ask a model several questions at once; where that fails, each alone: none suffers for another."""
        found: Scored | None = None
        if len(group) > 1:
            with suppress(Exception):
                found = predict(group)
        if found:
            self._answer(group, found)
            return
        for waiting in group:
            self._answer((waiting,), None)


def predict(group: Sequence[Waiting]) -> Scored:
    """What their model says of all rows of several questions. Raises whatever the model does."""
    runtime = group[0].live.runtime
    rows = rows_of(group)
    if rows:
        return predict_rows(runtime, rows)
    if len(group) > 1:
        return predict_together(runtime, [whole(each.question).columns for each in group])
    return runtime.predict(in_columns(group[0].question).columns)


def rows_of(group: Sequence[Waiting]) -> list[Row]:
    """The questions if all of them are such; else none."""
    asked = list(map(_question, group))
    return asked if set(map(type, asked)) == {Row} else []
