"""Steps that need no worker: going over lists, gathering what came of them, and choosing."""

from __future__ import annotations

from penstock.core.errors import InvalidValue, PenstockError
from penstock.pipelines.graph import spread
from penstock.pipelines.types import Input, Node, Output, Param
from penstock.runs.choices import taken, title, verdict
from penstock.runs.decide import Progress
from penstock.runs.lists import Bytes, elements, write_json, write_list
from penstock.runs.types import Artifact, StepRun


def needs_worker(progress: Progress, step: StepRun) -> bool:
    """Whether a step runs code, rather than being done by `do_here`."""
    node = progress.node(step.name)
    return node.kind != "choose" and not spread(node)


def do_here(progress: Progress, step: StepRun, blobs: Bytes) -> None:
    """Do a ready step that needs no worker; what cannot be done fails it."""
    node = progress.node(step.name)
    try:
        if step.name in progress.instances:
            count = len(progress.instances[step.name])
            progress.finish(step, _gather(progress, node, blobs), progress.went_over(step.name, count))
        elif spread(node):
            progress.expand(step, _items(progress, node, blobs))
        else:
            progress.finish(step, *_choose(progress, node, step, blobs))
    except PenstockError as error:
        progress.fail(step, str(error))


def _choose(progress: Progress, node: Node, step: StepRun, blobs: Bytes) -> tuple[dict[str, Artifact], str]:
    condition = node.inputs["condition"]
    word = verdict(progress.run, condition, progress.steps)
    way = taken(progress.run, node, progress.steps)
    if not way:
        raise InvalidValue(
            what=f"`{node.name}` cannot choose",
            expected="true or false",
            found=f"{title(condition)} is {word}",
        )
    result = step.items.get(way) or _artifact(progress, node.inputs[way], blobs)
    return {"result": result}, f"chosen because {title(condition)} is {word}"


def _items(progress: Progress, node: Node, blobs: Bytes) -> list[dict[str, Artifact]]:
    """For each element that a node goes over, its parts of the lists that are there whole.

    A list that is made element by element by another node has no parts yet, only its length.
    """
    ways = {title(way.condition): way.condition for way in node.when if way.each}
    whole: dict[str, list[Artifact]] = {}
    lengths: dict[str, int] = {}
    for name, wire in (ways | {name: node.inputs[name] for name in node.over}).items():
        if isinstance(wire, Output) and wire.node in progress.instances:
            lengths[name] = len(progress.instances[wire.node])
        else:
            whole[name] = _elements(progress, node, name, wire, blobs)
            lengths[name] = len(whole[name])
    if len(set(lengths.values())) > 1:
        raise InvalidValue(
            what=f"`{node.name}` cannot go over its lists in step",
            expected="lists of equal length",
            found=", ".join(f"{length} in {name}" for name, length in lengths.items()),
        )
    count = next(iter(lengths.values()))
    return [{name: parts[place] for name, parts in whole.items()} for place in range(count)]


def _elements(progress: Progress, node: Node, name: str, wire: Input, blobs: Bytes) -> list[Artifact]:
    try:
        return elements(_artifact(progress, wire, blobs), blobs)
    except InvalidValue as error:
        raise InvalidValue(
            what=f"`{node.name}` cannot go over `{name}`", expected=error.expected, found=error.found
        ) from error


def _gather(progress: Progress, node: Node, blobs: Bytes) -> dict[str, Artifact]:
    """For each output of a node, the list of what came of its elements; of those that went its way."""
    steps = [progress.steps[name] for name in progress.instances[node.name]]
    done = [step for step in steps if step.status == "succeeded"]
    return {name: write_list([step.outputs[name] for step in done], blobs) for name in node.outputs}


def _artifact(progress: Progress, wire: Input, blobs: Bytes) -> Artifact:
    """What an input holds, as an artifact."""
    if isinstance(wire, Output):
        return progress.steps[wire.node].outputs[wire.name]
    return write_json(progress.run.params[wire.name] if isinstance(wire, Param) else wire.value, blobs)
