"""Asks a loaded model, and proves before it serves that it answers as it did when it was recorded."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import chain
from math import isfinite
from time import perf_counter
from typing import Any

import msgspec

from penstock.core.errors import InvalidRequest
from penstock.models.types import Signature
from penstock.serving.assignment import place_of
from penstock.serving.columns import Question, Row
from penstock.serving.encode import row_ids
from penstock.serving.ports import Runtime
from penstock.serving.types import Answer, LogRecord

Scored = tuple[list[float], list[str], list[list[float]]]
"""What `Runtime.predict` gives."""
TOLERANCE = 1e-3
"""How far an answer may lie from the recorded one, relative to the larger of 1 and the recorded score."""
APART = 1e-6
"""How far answers to rows asked together may lie from those to each alone, relative likewise."""
ROWS, TIMES = 8, 3
"""With how many rows that is tried, and how often it is timed."""
SHADOW = "~shadow"
"""What the ids of a shadow's answers end with, after that of the answer that was given."""


class Examples(msgspec.Struct, frozen=True):
    """Recorded requests and the answers that the model gave where it was trained."""

    inputs: dict[str, list[Any]]
    score: list[float]
    label: list[str]


def ask(
    runtime: Runtime, columns: dict[str, list[Any]], *, first_id: str, model: str, version: int, variant: str
) -> Answer:
    """The answer for n rows. Raises InvalidRequest when the model has no finite answer for one of them."""
    return answer_of(
        runtime.predict(columns), first_id=first_id, model=model, version=version, variant=variant
    )


def answer_of(scored: Scored, *, first_id: str, model: str, version: int, variant: str) -> Answer:
    """What a model said of n rows as an answer. Raises InvalidRequest where it is not finite."""
    score, label, probabilities = scored
    if not all(map(isfinite, score)):
        row = next(row for row, value in enumerate(score) if not isfinite(value))
        raise InvalidRequest(
            what="The model has no finite answer for these values", found=f"{score[row]} for row {row}"
        )
    return Answer(
        ids=row_ids(first_id, len(score)),
        model=model,
        version=version,
        variant=variant,
        score=tuple(score),
        label=tuple(label),
        probabilities=tuple(map(tuple, probabilities)),
    )


def predict_together(runtime: Runtime, asked: Sequence[Mapping[str, Sequence[Any]]]) -> Scored:
    """What a model says of the rows of several questions, asked once with all of them."""
    columns = dict(
        zip(
            asked[0],
            map(list, map(chain.from_iterable, zip(*(each.values() for each in asked), strict=True))),
            strict=True,
        )
    )
    return runtime.predict(columns)


def predict_rows(runtime: Runtime, rows: Sequence[Row]) -> Scored:
    """The same of questions of one row each."""
    columns = zip(*[row.values for row in rows], strict=True)
    return runtime.predict(dict(zip(rows[0].names, columns, strict=True)))


def taken_apart(scored: Scored, rows: Iterable[int]) -> list[Scored]:
    """What a model said of each of several questions, of so many rows each."""
    score, label, probabilities = scored
    found, at = [], 0
    for each in rows:
        end = at + each
        found.append((score[at:end], label[at:end], probabilities[at:end]))
        at = end
    return found


def gains_together(runtime: Runtime, examples: Examples) -> bool:
    """Whether rows that are asked together are answered as each is alone, and in less than half the time."""
    names = list(examples.inputs)
    rows = [
        {n: examples.inputs[n][at : at + 1] for n in names} for at in range(min(ROWS, len(examples.score)))
    ]
    if len(rows) < 2:
        return False
    rows = [rows[at % len(rows)] for at in range(ROWS)]
    alone = [runtime.predict(row) for row in rows]
    if not all(
        now[1] == then[1] and abs(now[0][0] - then[0][0]) <= APART * max(1.0, abs(then[0][0]))
        for now, then in zip(taken_apart(predict_together(runtime, rows), [1] * ROWS), alone, strict=True)
    ):
        return False
    singly = min(_seconds(lambda: [runtime.predict(row) for row in rows]) for _ in range(TIMES))
    return min(_seconds(lambda: predict_together(runtime, rows)) for _ in range(TIMES)) < singly / 2


def _seconds(work: Callable[[], object]) -> float:
    began = perf_counter()
    work()
    return perf_counter() - began


def sampled(first_id: str, share: int) -> bool:
    """Whether the prediction log keeps the answer of this id, as of `share` percent of them."""
    return share >= 100 or place_of("log", first_id) < share


def record_of(
    answer: Answer, question: Question, environment: str, time: datetime, redact: Collection[str] = ()
) -> LogRecord:
    """An answer as the prediction log keeps it: without the columns to `redact`, also where they are keys."""
    columns, lookups = question.columns, question.lookups
    if redact:
        columns = {name: values for name, values in columns.items() if name not in redact}
        lookups = {view: read for view, read in lookups.items() if read.key.keys().isdisjoint(redact)}
    return LogRecord(
        ids=answer.ids,
        time=time,
        model=answer.model,
        environment=environment,
        version=answer.version,
        variant=answer.variant,
        inputs=columns,
        lookups=lookups,
        score=answer.score,
        label=answer.label,
    )


def disagreement(runtime: Runtime, examples: Examples, signature: Signature) -> str:
    """One sentence on the first recorded example that is answered differently; empty when all agree.

    It also warms the runtime: the first answer of a session is the slowest.
    """
    score, label, _ = runtime.predict(examples.inputs)
    recorded = zip(examples.score, examples.label, strict=True)
    for row, (now, said, (then, meant)) in enumerate(zip(score, label, recorded, strict=True)):
        if not abs(now - then) <= TOLERANCE * max(1.0, abs(then)):
            return (
                f"Recorded example {row} is answered {now:.6g} here and was {then:.6g} when it was recorded."
            )
        if signature.classes and said != meant:
            return f"Recorded example {row} is labelled {said!r} here and was {meant!r} when it was recorded."
    return ""
