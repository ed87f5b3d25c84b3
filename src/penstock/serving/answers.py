"""Asks a loaded model, and proves before it serves that it answers as it did when it was recorded."""

from __future__ import annotations

from datetime import datetime
from math import inf
from typing import Any

import msgspec

from penstock.core.errors import InvalidRequest
from penstock.models.types import Signature
from penstock.serving.encode import row_ids
from penstock.serving.ports import Runtime
from penstock.serving.types import Answer, LogRecord

TOLERANCE = 1e-3
"""How far an answer may lie from the recorded one, relative to the larger of 1 and the recorded score."""


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
    score, label, probabilities = runtime.predict(columns)
    if not all(-inf < value < inf for value in score):
        row = next(row for row, value in enumerate(score) if not -inf < value < inf)
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


def record_of(answer: Answer, columns: dict[str, list[Any]], environment: str, time: datetime) -> LogRecord:
    """An answer as the prediction log keeps it."""
    return LogRecord(
        ids=answer.ids,
        time=time,
        model=answer.model,
        environment=environment,
        version=answer.version,
        variant=answer.variant,
        inputs=columns,
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
