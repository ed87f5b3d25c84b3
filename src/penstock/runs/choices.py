"""Pure: what the conditions of a run's choices came out as, and what follows from them."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from penstock.pipelines.graph import needed
from penstock.pipelines.types import Input, Node, Output, Param, Value
from penstock.pipelines.ways import SIDES
from penstock.runs.lists import truth
from penstock.runs.types import Run, StepRun

Steps = Mapping[str, StepRun]
_WORDS = {True: "true", False: "false", None: "neither true nor false"}


def verdict(run: Run, condition: Input, steps: Steps) -> str:
    """What a condition came out as: true, false, or neither of them; empty while it is not known."""
    match condition:
        case Output(node=node, name=name):
            outputs = steps[node].outputs
            return _WORDS[truth(outputs[name])] if name in outputs else ""
        case Param(name=name):
            value = run.params[name]
        case Value(value=value):
            pass
    return _WORDS[value if isinstance(value, bool) else None]


def taken(run: Run, node: Node, steps: Steps) -> str:
    """The input that a choice takes, empty as long as its condition is not known to be true or false."""
    word = verdict(run, node.inputs["condition"], steps)
    return next((side for side, wanted in SIDES.items() if _WORDS[wanted] == word), "")


def needed_by_choice(run: Run, node: Node, steps: Steps) -> list[str]:
    """The names of the nodes that a choice waits for: of its two ways, only the one it takes."""
    wires = {name: wire for name, wire in node.inputs.items() if name not in SIDES}
    way = taken(run, node, steps)
    return needed(replace(node, inputs={**wires, way: node.inputs[way]} if way else wires))


def untaken(run: Run, node: Node, steps: Steps) -> str:
    """Why a node belongs to a branch that is not taken, empty as long as it may be."""
    for branch in node.when:
        if branch.each:
            continue
        word = verdict(run, branch.condition, steps)
        if word and word != _WORDS[branch.taken]:
            return f"{title(branch.condition)} is {word}"
    return ""


def title(condition: Input) -> str:
    """A condition as a sentence names it."""
    match condition:
        case Output(node=node, name="result"):
            return node
        case Output(node=node, name=name):
            return f"{node}.{name}"
        case Param(name=name):
            return f"the parameter {name}"
        case Value():
            return "the condition"
