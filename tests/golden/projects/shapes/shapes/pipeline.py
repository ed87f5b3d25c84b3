"""Every shape that a graph can have, on values of JSON."""

from __future__ import annotations

from typing import NamedTuple

from penstock import choose, each, log, pipeline, step


class Halves(NamedTuple):
    """Two parts of a list."""

    low: list[int]
    high: list[int]


@step
def split(count: int) -> list[list[int]]:
    """Parts of different length."""
    return [list(range(number)) for number in range(count)]


@step(retries=1)
def total(part: list[int], factor: int = 1, offset: int | None = None) -> int:
    """The sum of a part."""
    log.metric("length", len(part))
    print(f"a part of {len(part)}")  # noqa: T201 - it is what the logs are tested with
    return sum(part) * factor + (offset or 0)


@step(outputs=("low", "high"))
def halves(part: list[int]) -> Halves:
    """A part in two."""
    return Halves(part[: len(part) // 2], part[len(part) // 2 :])


@step
def largest(totals: list[int]) -> int:
    """The largest total."""
    return max(totals, default=0)


@step
def exceeds(value: int, bound: float) -> bool:
    """Whether a value is above a bound."""
    return value > bound


@step
def praise(value: int) -> str:
    """Words for a large value."""
    return f"{value} is large"


@step
def blame(value: int) -> str:
    """Words for a small value."""
    return f"{value} is small"


@step
def tell(words: str | None) -> str:
    """The last word."""
    return words or "nothing"


@step
def count_lists(lists: list[list[int]]) -> int:
    """How many lists there are."""
    return len(lists)


@step
def factors(count: int) -> list[int]:
    """A factor for each part."""
    return list(range(count))


@step
def tell_all(words: list[str]) -> str:
    """All words."""
    return ", ".join(words)


@pipeline
def spread(count: int = 4, factor: int = 1) -> object:
    """Fan-out over a list known only at run time, and fan-in."""
    return largest(each(total, part=split(count), factor=factor))


@pipeline
def judge(count: int = 4, bound: float = 2.5, quiet: bool = False) -> object:
    """Another pipeline inside, and a branch inside a branch."""
    value = spread(count=count, factor=2)
    words = choose(exceeds(value, bound), praise(value), lambda: blame(value))
    return tell(choose(quiet, None, words))


@pipeline
def parted(count: int = 3) -> object:
    """Lists of several outputs, over each of which another step goes."""
    both = each(halves, part=split(count))
    return count_lists(both.low), each(total, part=both.high, offset=None), each(total, part=[[1], [2]])


@pipeline
def weigh(part: list[int], factor: int, bound: float = 2.5) -> object:
    """What is done for one part, whose words depend on its own total."""
    value = total(part, factor=factor)
    return choose(exceeds(value, bound), lambda: praise(value), lambda: blame(value))


@pipeline
def weighed(count: int = 4, bound: float = 2.5) -> object:
    """A whole pipeline for each element of two lists in step."""
    return tell_all(each(weigh, "part", "factor", part=split(count), factor=factors(count), bound=bound))
