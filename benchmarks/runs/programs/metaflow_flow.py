"""Writes a Metaflow flow for a shape: `metaflow_flow.py SHAPE FILE`. Its steps are methods."""

import sys
from itertools import pairwise
from pathlib import Path

HEAD = """\
import work
from metaflow import FlowSpec, Parameter, step


class {name}(FlowSpec):
    seed = Parameter("seed", type=int)

"""
STEP = """\
    @step
    def {step}(self{more}):
        {body}

"""
TAIL = """
if __name__ == "__main__":
    {name}()
"""


def steps_of(shape: str) -> dict[str, tuple[str, ...]]:
    """Statements of each step by its name."""
    if shape == "fan":
        return {
            "start": ("self.xs = work.numbers(self.seed)", "self.next(self.square, foreach='xs')"),
            "square": ("self.x = work.square(self.input)", "self.next(self.join)"),
            "join": ("work.total([found.x for found in inputs])", "self.next(self.end)"),
            "end": ("pass",),
        }
    if shape == "table":
        return {
            "start": ("self.rows = work.table(self.seed)", "self.next(self.end)"),
            "end": ("work.summed(self.rows)",),
        }
    count = int(shape.removeprefix("chain_"))
    names = ["start", *(f"grow{i}" for i in range(2, count)), "end"]
    chain = {
        name: ("self.x = work.grow(self.x)", f"self.next(self.{follower})")
        for name, follower in pairwise(names)
    }
    chain["start"] = ("self.x = work.grow(self.seed)", f"self.next(self.{names[1]})")
    return {**chain, "end": ("self.x = work.last(self.x)",)}


def flow(shape: str) -> str:
    """The program."""
    name = "Shape" + shape.replace("_", "").title()
    text = HEAD.format(name=name)
    for step, body in steps_of(shape).items():
        more = ", inputs" if step == "join" else ""
        text += STEP.format(step=step, more=more, body="\n        ".join(body))
    return text + TAIL.format(name=name)


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(flow(sys.argv[1]), encoding="utf-8")
