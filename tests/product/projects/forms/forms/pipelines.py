"""Every form that a graph can take, each a pipeline that is also a plain function: that is its oracle."""

from __future__ import annotations

from typing import NamedTuple

from penstock import choose, each, pipeline, step


class Ends(NamedTuple):
    """The first and the last of a list."""

    first: int
    last: int


@step
def numbers(count: int) -> list[int]:
    """A list that is known only at run time."""
    return list(range(1, count + 1))


@step(retries=1, backoff="0s")
def again(count: int) -> list[int]:
    """The same list; an error is tried again."""
    return list(range(1, count + 1))


@step
def add(left: int, right: int = 1) -> int:
    """A sum."""
    return left + right


@step
def double(number: int) -> int:
    """Twice a number."""
    return 2 * number


@step
def total(values: list[int]) -> int:
    """A sum in which the places count, so that no order can be mistaken for another."""
    return sum(place * value for place, value in enumerate(values, 1))


@step(outputs=("first", "last"))
def ends(values: list[int]) -> Ends:
    """Both ends of a list."""
    return Ends(values[0], values[-1])


@step
def exceeds(number: int, bound: int) -> bool:
    """Whether a number is above a bound."""
    return number > bound


@step
def tell(number: int, word: str | None = None) -> str:
    """A number in words."""
    return f"{word or 'just'} {number}"


@step
def refuse(number: int) -> int:
    """Never a result."""
    raise ValueError(f"not {number}")


@pipeline
def chain(count: int = 3) -> object:
    """One after the other."""
    return add(double(total(numbers(count))))


@pipeline
def diamond(count: int = 3) -> object:
    """Two ways that meet."""
    values = numbers(count)
    both = ends(values)
    return add(double(total(values)), add(both.first, both.last))


@pipeline
def fan_out(count: int = 3) -> object:
    """A list that is gone over, twice."""
    return total(each(add, left=each(double, number=numbers(count)), right=count))


@pipeline
def nothing(count: int = 0) -> object:
    """A list without elements."""
    return total(each(double, number=numbers(count)))


@pipeline
def nested(count: int = 3) -> object:
    """Pipelines in a pipeline."""
    return add(chain(count=count), fan_out(count=count))  # type: ignore[arg-type]


@pipeline
def taken(count: int = 3) -> object:
    """A choice that takes its first way."""
    value = total(numbers(count))
    return tell(choose(exceeds(value, 5), lambda: double(value), lambda: refuse(value)))


@pipeline
def otherwise(count: int = 2) -> object:
    """A choice that takes its other way, with a list in it."""
    value = total(numbers(count))
    return tell(choose(exceeds(value, 5), double(value), lambda: total(each(double, number=numbers(count)))))


@pipeline
def optional(count: int = 3, word: str | None = None) -> object:
    """Inputs that need not be given."""
    return tell(add(total(numbers(count))), word=word)


@pipeline
def retried(count: int = 3) -> object:
    """A beginning that is tried again by itself."""
    return total(again(count))


@pipeline
def broken(count: int = 3) -> object:
    """A failure in the middle, beside which others go on."""
    values = numbers(count)
    return add(refuse(total(values)), total(each(double, number=values)))
