"""The shapes in ZenML on its default stack: `… SHAPE SEED`. Tables go by its Polars integration."""

import sys

import polars as pl
import work
from zenml import pipeline, step
from zenml.integrations.polars.materializers import PolarsMaterializer


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


@step(output_materializers=PolarsMaterializer)
def table(seed: int) -> pl.DataFrame:
    return work.table(seed)


@step
def summed(rows: pl.DataFrame) -> float:
    return work.summed(rows)


@pipeline
def chain(seed: int, steps: int) -> None:
    x = seed
    for _ in range(steps - 1):
        x = grow(x)
    last(x)


@pipeline(dynamic=True)
def fan(seed: int) -> None:
    total(square.map(numbers(seed)))


@pipeline
def handed_on(seed: int) -> None:
    summed(table(seed))


if __name__ == "__main__":
    shape, seed = sys.argv[1], int(sys.argv[2])
    if shape == "fan":
        fan(seed)
    elif shape == "table":
        handed_on(seed)
    else:
        chain(seed, int(shape.removeprefix("chain_")))
