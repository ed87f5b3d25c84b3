"""Pure: what a run would do, said beforehand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec

from penstock.pipelines.types import Node, Output
from penstock.runs.decide import Progress
from penstock.runs.keys import Ingredients, because, cache_key, cacheable, changed, ingredients
from penstock.runs.types import Run, StepRun


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """What would become of a step: it would be `cached`, it `runs`, or it `depends` on what others give."""

    step: str
    outcome: Literal["cached", "runs", "depends"]
    why: str


def explain(
    supposed: Run, before: Progress | None, find_hit: Callable[[str], StepRun | None]
) -> list[Explanation]:
    """What `supposed` would do, compared with an earlier run, given a search for results by key."""
    steps = (StepRun(id=f"/{node.name}", run="", name=node.name) for node in supposed.graph.nodes)
    progress = Progress(supposed, steps, supposed.as_of)
    return [_explain_node(progress, node, before, find_hit) for node in supposed.graph.nodes]


def _explain_node(
    progress: Progress, node: Node, before: Progress | None, find_hit: Callable[[str], StepRun | None]
) -> Explanation:
    found = ingredients(progress.run, node, progress.steps)
    earlier = before.ingredients_of(node.name) if before else None
    awaited = [
        s.node for s in node.inputs.values() if isinstance(s, Output) and not progress.succeeded(s.node)
    ]
    if awaited:
        return _explain_unsure(node, found, earlier, awaited)
    key = cache_key(found) if cacheable(node) else ""
    hit = find_hit(key) if key else None
    if hit:
        progress.take(node, key, hit, ())
        return Explanation(step=node.name, outcome="cached", why=progress.steps[node.name].why)
    why = f"runs {because(node, found, earlier)}"
    return Explanation(step=node.name, outcome="runs", why=why)


def _explain_unsure(
    node: Node, found: Ingredients, earlier: Ingredients | None, awaited: list[str]
) -> Explanation:
    """What can be said while inputs are not known: it runs for certain if anything else changed."""
    if not cacheable(node) or earlier is None or changed(found, earlier):
        return Explanation(step=node.name, outcome="runs", why=f"runs {because(node, found, earlier)}")
    names = " and ".join(dict.fromkeys(awaited))
    return Explanation(
        step=node.name, outcome="depends", why=f"runs unless {names} gives what it gave before"
    )
