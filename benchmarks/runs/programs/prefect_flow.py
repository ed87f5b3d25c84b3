"""The shapes in Prefect, with persisted results and the API that it starts for itself: `… SHAPE SEED`."""

import sys

import work
from prefect import flow, task

grow = task(work.grow)
last = task(work.last)
numbers = task(work.numbers)
square = task(work.square)
total = task(work.total)
table = task(work.table)
summed = task(work.summed)


@flow
def chain(seed: int, steps: int) -> int:
    x = seed
    for _ in range(steps - 1):
        x = grow(x)
    return last(x)


@flow
def fan(seed: int) -> int:
    return total(square.map(numbers(seed)))


@flow
def handed_on(seed: int) -> float:
    return summed(table(seed))


if __name__ == "__main__":
    shape, seed = sys.argv[1], int(sys.argv[2])
    if shape == "fan":
        fan(seed)
    elif shape == "table":
        handed_on(seed)
    else:
        chain(seed, int(shape.removeprefix("chain_")))
