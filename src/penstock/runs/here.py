"""Steps that need no worker: going over a list, gathering what came of it, and choosing."""

from __future__ import annotations

from penstock.core.errors import InvalidValue, PenstockError
from penstock.pipelines.types import Input, Node, Output, Param
from penstock.runs.choices import taken, title, verdict
from penstock.runs.decide import Progress
from penstock.runs.lists import Bytes, elements, write_json, write_list
from penstock.runs.types import Artifact, StepRun


def needs_worker(progress: Progress, step: StepRun) -> bool:
    """Whether a step runs code, rather than being done by `do_here`."""
    node = progress.node(step.name)
    return node.kind != "choose" and (step.item is not None or not node.over)


def do_here(progress: Progress, step: StepRun, blobs: Bytes) -> None:
    """Do a ready step that needs no worker; what cannot be done fails it."""
    node = progress.node(step.name)
    try:
        if node.kind == "choose":
            progress.finish(step, *_choose(progress, node, blobs))
        elif step.name in progress.instances:
            progress.finish(step, _gather(progress, node, blobs))
        else:
            progress.expand(step, _items(progress, node, blobs))
    except PenstockError as error:
        progress.fail(step, str(error))


def _choose(progress: Progress, node: Node, blobs: Bytes) -> tuple[dict[str, Artifact], str]:
    condition = node.inputs["condition"]
    word = verdict(progress.run, condition, progress.steps)
    way = taken(progress.run, node, progress.steps)
    if way is None:
        raise InvalidValue(
            what=f"`{node.name}` cannot choose",
            expected="true or false",
            found=f"{title(condition)} is {word}",
        )
    return {"result": _artifact(progress, way, blobs)}, f"chosen because {title(condition)} is {word}"


def _items(progress: Progress, node: Node, blobs: Bytes) -> list[Artifact]:
    """The elements that a node goes over."""
    try:
        return elements(_artifact(progress, node.inputs[node.over], blobs), blobs)
    except InvalidValue as error:
        raise InvalidValue(
            what=f"`{node.name}` cannot go over `{node.over}`", expected=error.expected, found=error.found
        ) from error


def _gather(progress: Progress, node: Node, blobs: Bytes) -> dict[str, Artifact]:
    """For each output of a node, the list of what its instances gave for it."""
    done = [progress.steps[name] for name in progress.instances[node.name]]
    return {name: write_list([step.outputs[name] for step in done], blobs) for name in node.outputs}


def _artifact(progress: Progress, wire: Input, blobs: Bytes) -> Artifact:
    """What an input holds, as an artifact."""
    if isinstance(wire, Output):
        return progress.steps[wire.node].outputs[wire.name]
    return write_json(progress.run.params[wire.name] if isinstance(wire, Param) else wire.value, blobs)
