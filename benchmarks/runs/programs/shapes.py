"""The shapes as Penstock pipelines."""

import work

from penstock import each, pipeline, step


@step
def grow(x: int) -> int:
    return work.grow(x)


@step
def last(x: int) -> int:
    return work.last(x)


@step
def numbers(seed: int) -> list[int]:
    return work.numbers(seed)


@step
def square(x: int) -> int:
    return work.square(x)


@step
def total(squares: list[int]) -> int:
    return work.total(squares)


def chain(x: int, steps: int) -> int:
    for _ in range(steps - 1):
        x = grow(x)
    return last(x)


@pipeline
def chain_10(seed: int) -> int:
    return chain(seed, 10)


@pipeline
def chain_100(seed: int) -> int:
    return chain(seed, 100)


@pipeline
def chain_1000(seed: int) -> int:
    return chain(seed, 1000)


@pipeline
def fan(seed: int) -> int:
    return total(each(square, x=numbers(seed)))
