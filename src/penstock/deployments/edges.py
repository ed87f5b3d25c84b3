"""The edges of a model's schema, asked of the prediction service: what does not fit, and what just does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from penstock.core.errors import InvalidValue, NotFound, Unavailable
from penstock.models.types import Version
from penstock.serving.answers import TOLERANCE, Examples
from penstock.serving.ports import PredictionService
from penstock.serving.types import Answer

LARGE = 2_048
"""Rows of a large batch."""
UNSEEN = "a category that no training row had"
Columns = Mapping[str, Sequence[Any]]


class Edge(msgspec.Struct, frozen=True, kw_only=True):
    """A request at the edge of the schema; `why` is empty where the service did what is expected of it."""

    name: str
    why: str = ""


def edges(service: PredictionService, version: Version, recorded: Examples) -> tuple[Edge, ...]:
    """Ask for a missing and an extra column, wrong types, nulls, an unseen category, no rows and many.

    What does not fit has to be refused as a bad request, everything else answered. Raises Unavailable when
    the service has gone altogether.
    """

    def ask(columns: Columns) -> Answer:
        return service.infer(version.model, version.number, columns, log=False)

    one = {name: values[:1] for name, values in recorded.inputs.items()}
    found = [
        Edge(name=name, why=_refused(service, ask, columns)) for name, columns in _unfitting(version, one)
    ]
    found += [
        Edge(name=name, why=_answered(service, ask, columns)) for name, columns in _fitting(version, one)
    ]
    return (*found, Edge(name="large batch", why=_batch(service, ask, recorded)))


def _unfitting(version: Version, one: Columns) -> Iterator[tuple[str, Columns]]:
    for column in version.signature.inputs:
        name = column.name
        yield f"without {name}", {key: values for key, values in one.items() if key != name}
        wrong: Any = 7 if column.dtype == "string" else "seven"
        yield f"{name} of another type", {**one, name: [wrong]}
        if not column.nullable:
            yield f"{name} null", {**one, name: [None]}
    yield "a column too many", {**one, "no_such_column": [1]}


def _fitting(version: Version, one: Columns) -> Iterator[tuple[str, Columns]]:
    for column in version.signature.inputs:
        if column.nullable:
            yield f"{column.name} null", {**one, column.name: [None]}
        if column.dtype == "string":
            yield f"{column.name} unseen", {**one, column.name: [UNSEEN]}


def _refused(service: PredictionService, ask: Callable[[Columns], Answer], columns: Columns) -> str:
    try:
        ask(columns)
    except (InvalidValue, NotFound):
        return ""
    except Unavailable as error:
        service.loaded()
        return f"expected a refusal, found {error}"
    return "it was answered, and should have been refused"


def _answered(service: PredictionService, ask: Callable[[Columns], Answer], columns: Columns) -> str:
    try:
        ask(columns)
    except (InvalidValue, NotFound) as error:
        return str(error)
    except Unavailable as error:
        service.loaded()
        return str(error)
    return ""


def _batch(service: PredictionService, ask: Callable[[Columns], Answer], recorded: Examples) -> str:
    """Many rows at once are answered as each is alone; no rows are refused, or answered with none."""
    n = len(recorded.score)
    times = -(-LARGE // n)
    many = {name: [*values] * times for name, values in recorded.inputs.items()}
    if why := _answered(service, ask, many):
        return why
    score = ask(many).score
    if len(score) != n * times:
        return f"{n * times} rows were asked and {len(score)} answered"
    apart = max(
        abs(now - then) / max(1.0, abs(then)) for now, then in zip(score, recorded.score * times, strict=True)
    )
    if apart > TOLERANCE:
        return f"rows are answered otherwise in a batch of {n * times}: up to {apart:.2g} apart"
    try:
        empty = ask({name: [] for name in recorded.inputs})
    except (InvalidValue, NotFound):
        return ""
    except Unavailable as error:
        service.loaded()
        return f"a request without rows: {error}"
    return "" if not empty.score else f"a request without rows was answered with {len(empty.score)}"
