"""The shapes in Kedro with its SequentialRunner, in memory, nothing durable: `kedro_flow.py SHAPE SEED`."""

import sys
from itertools import pairwise

import work
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Pipeline, node
from kedro.runner import SequentialRunner


def gathered(*squares: int) -> int:
    return work.total(list(squares))


def nodes(shape: str) -> list:
    if shape == "fan":
        branches = [f"x{i}" for i in range(work.FAN)]
        return [
            node(work.numbers, "seed", branches, name="numbers"),
            *(node(work.square, x, f"{x}_squared", name=f"square_{x}") for x in branches),
            node(gathered, [f"{x}_squared" for x in branches], "answer", name="total"),
        ]
    if shape == "table":
        return [
            node(work.table, "seed", "rows", name="table"),
            node(work.summed, "rows", "answer", name="summed"),
        ]
    steps = int(shape.removeprefix("chain_"))
    names = ["seed", *(f"x{i}" for i in range(1, steps)), "answer"]
    chain = [node(work.grow, before, after, name=after) for before, after in pairwise(names[:-1])]
    return [*chain, node(work.last, names[-2], "answer", name="last")]


if __name__ == "__main__":
    catalog = DataCatalog({"seed": MemoryDataset(int(sys.argv[2]))})
    SequentialRunner().run(Pipeline(nodes(sys.argv[1])), catalog)
