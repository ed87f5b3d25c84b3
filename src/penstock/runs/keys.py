"""Pure: what a step's result depends on, the key made of it, and how to say what changed."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from penstock.core.digests import canonical, digest_value
from penstock.pipelines.types import Node, Output, Param
from penstock.runs.types import Artifact, Run, StepRun

CODE = "its code"
Ingredients = dict[str, Any]
"""What a result depends on, by the words in which its change is told: `its code`, `input rows`."""


NO_ITEMS: Mapping[str, Artifact] = MappingProxyType({})


def ingredients(
    run: Run, node: Node, steps: Mapping[str, StepRun], items: Mapping[str, Artifact] = NO_ITEMS
) -> Ingredients:
    """Everything that the result of a node depends on; for an element of lists, with its `items` of them.

    Inputs that come from a step that has not succeeded yet are left out. The time does not count, neither
    that of the run nor one that the pipeline names: it says what a snapshot reads, and everything after
    follows from the rows.
    """
    found: Ingredients = {
        "what it does": [node.kind, node.target, node.outputs],
        CODE: node.code,
        "the dependencies": run.workspace.lock,
    }
    if run.workspace.beside:
        found["the packages beside the project"] = run.workspace.beside
    if node.kind != "step":  # what Penstock does itself, another one may do otherwise
        found["Penstock itself"] = run.workspace.penstock
    found.update({f"setting {name}": value for name, value in node.settings.items()})
    if node.options.secrets:  # what one environment's password opens is not what another's does
        found["where its secrets are from"] = [run.project, run.environment, node.options.secrets]
    for name, source in node.inputs.items():
        if name in items:
            found[f"input {name}"] = _identity(items[name])
        elif not isinstance(source, Output):
            found[name] = run.params[source.name] if isinstance(source, Param) else source.value
        elif steps[source.node].status == "succeeded":
            found[f"input {name}"] = _identity(steps[source.node].outputs[source.name])
    return found


def _identity(artifact: Artifact) -> list[Any]:
    """All that a step sees of an input: the same bytes are different values in different formats."""
    return [artifact.digest, artifact.format, artifact.meta.get("beside", {})]


def cacheable(node: Node) -> bool:
    """Whether an earlier result may be taken; a source is always read anew."""
    return node.options.cache and node.kind != "snapshot"


def cache_key(found: Ingredients) -> str:
    """The key under which a result is found again: equal ingredients, equal key."""
    return digest_value(found)


def changed(now: Ingredients, before: Ingredients) -> list[str]:
    """The ingredients of `now` that were otherwise or not there before."""
    return [name for name, value in now.items() if canonical(value) != canonical(before.get(name))]


def because(
    node: Node, now: Ingredients, before: Ingredients | None, spoiled: str = "", past: str = ""
) -> str:
    """Why a node runs, to follow "ran" or "runs"; `before` is from the last run that succeeded,
    `spoiled` says what is wrong with a result that would have been taken, and `past` as of which earlier time
    a source is asked.
    """
    if node.kind == "snapshot":
        return f"because a source is asked as of {past}" if past else "because a source is always read anew"
    if not node.options.cache:
        return "because it is declared with cache=False"
    if spoiled:
        return f"because {spoiled}"
    if before is None:
        return "because it has no earlier result"
    differences = changed(now, before)
    if not differences:
        return "because its earlier result proves a release and is not taken again"
    return f"because {_listed(differences)} changed"


def _listed(words: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))
