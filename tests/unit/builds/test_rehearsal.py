"""A pipeline carried out in one process does what a run of it does, lists and branches included."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from penstock import choose, each, pipeline, step
from penstock.builds.automatic.rehearsal import Rehearsed, StepRaised, rehearse


@step
def numbers(until: int) -> list[int]:
    return list(range(until))


@step
def since(moment: datetime) -> int:
    return moment.year


@step
def product(one: int, other: int) -> int:
    return one * other


@step
def is_even(number: int) -> bool:
    return number % 2 == 0


@step
def halved(number: int) -> int:
    return number // 2


@step
def total(values: list[int]) -> int:
    return sum(values)


@pipeline
def halves(number: int) -> Any:
    even = is_even(number)
    return choose(even, lambda: halved(number), number)


@pipeline
def sums(until: int = 4, others: int = 4, moment: datetime = datetime(2026, 1, 31, tzinfo=UTC)) -> Any:
    squares = each(product, "one", "other", one=numbers(until), other=numbers(others))
    return since(moment), total(each(halves, number=squares))


class Straight:
    """Hands values on as they are."""

    def keep(self, value: object, _format: str, **_: bool) -> Any:
        return value

    def take(self, kept: Any, _annotation: Any) -> Any:
        return kept


def rehearsed(**params: Any) -> Rehearsed:
    return rehearse(sums.draw(**params), {}, datetime(2026, 1, 1, tzinfo=UTC), Straight())


def test_every_element_goes_its_own_way() -> None:
    done = rehearsed()
    assert done.outputs["product"] == {"result": [0, 1, 4, 9]}
    assert done.outputs["halves.halved"] == {"result": [0, 2]}
    assert done.outputs["total"] == {"result": 0 + 1 + 2 + 9}
    assert done.outputs["since"] == {"result": 2026}


def test_an_empty_list_gives_an_empty_list() -> None:
    assert rehearsed(until=0, others=0).outputs["total"] == {"result": 0}


def test_lists_of_unequal_length_are_a_finding() -> None:
    with pytest.raises(StepRaised, match="product: its lists are not of equal length: found 4 in one, 3 in"):
        rehearsed(others=3)
