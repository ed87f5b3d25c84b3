"""Pure: what a run would do, said beforehand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import msgspec

from penstock.datasets.types import Snapshot
from penstock.pipelines.graph import needed, spread
from penstock.pipelines.types import Node
from penstock.runs.choices import title, verdict
from penstock.runs.decide import Progress
from penstock.runs.earlier import Hit, ingredients_before
from penstock.runs.here import do_here, needs_worker
from penstock.runs.keys import Ingredients, because, cache_key, cacheable, changed
from penstock.runs.lists import Bytes, Supposed
from penstock.runs.types import Artifact, Run, StepRun

FindHit = Callable[[str], Hit]
FindKept = Callable[[Node], Snapshot | None]


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """Something that a result depends on and that is not as it was; None where it was not there."""

    name: str
    before: Any
    now: Any


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """What would become of a step: it would be `cached` or `skipped`, it `runs`, or it `depends`.

    `changes` is the difference to the last run that succeeded, as far as it is known beforehand.
    """

    step: str
    outcome: Literal["cached", "runs", "depends", "skipped"]
    why: str
    changes: tuple[Change, ...] = ()


def explain(
    supposed: Run, before: Progress | None, blobs: Bytes, find_hit: FindHit, find_kept: FindKept
) -> list[Explanation]:
    """What `supposed` would do, compared with an earlier run, given searches for results by key and for the
    snapshots that it would take of earlier runs.
    """
    return _Explainer(supposed, before, Supposed(blobs), find_hit, find_kept).explain()


class _Explainer:
    """Carries a run forward as far as it goes without running anything."""

    def __init__(
        self, supposed: Run, before: Progress | None, blobs: Bytes, find_hit: FindHit, find_kept: FindKept
    ) -> None:
        steps = (StepRun(id=f"/{node.name}", run="", name=node.name) for node in supposed.graph.nodes)
        self._progress = Progress(supposed, steps, supposed.as_of)
        self._before = before
        self._blobs = blobs
        self._find_hit = find_hit
        self._find_kept = find_kept

    def explain(self) -> list[Explanation]:
        return [each for node in self._progress.run.graph.nodes for each in self._node(node)]

    def _node(self, node: Node) -> list[Explanation]:
        progress = self._progress
        if not spread(node):
            return [self._one(node.name)]
        self._advance(node.name)
        instances = progress.instances.get(node.name)
        if instances is None:
            return [self._said(node.name)]
        found = [self._one(name) for name in instances]
        self._advance(node.name)
        return [self._whole(progress.steps[node.name], found), *found]

    def _one(self, name: str) -> Explanation:
        """What would become of a step that goes over nothing."""
        self._advance(name)
        step = self._progress.steps[name]
        return self._step(step) if self._progress.is_ready(step) else self._said(name)

    def _advance(self, name: str) -> None:
        """Skip a step that is hopeless, or do it if it is ready and needs no worker."""
        progress = self._progress
        progress.skip_if_hopeless(name)
        step = progress.steps[name]
        if progress.is_ready(step) and not needs_worker(progress, step):
            do_here(progress, step, self._blobs)

    def _said(self, name: str) -> Explanation:
        """What is known of a step that needs no worker, or is not ready."""
        step = self._progress.steps[name]
        match step.status:
            case "skipped":
                return Explanation(step=name, outcome="skipped", why=step.why)
            case "failed":
                return Explanation(step=name, outcome="runs", why=f"fails: {step.error}")
            case "succeeded":
                return Explanation(step=name, outcome="cached", why=step.why)
        return self._unsure(self._progress.node(name), name)

    def _step(self, step: StepRun) -> Explanation:
        """What would become of a step whose inputs are all known."""
        node = self._progress.node(step.name)
        if node.kind == "snapshot" and (kept := self._find_kept(node)):
            why = f"takes the rows that were kept as of {kept.as_of.isoformat()}, {kept.id}"
            rows = Artifact(digest=kept.digest, format="arrow", size=0, meta={"rows": kept.rows})
            self._progress.finish(step, {"rows": rows}, why)
            return Explanation(step=step.name, outcome="cached", why=why)
        found, _ = self._ingredients(step.name)
        key = cache_key(found) if cacheable(node) else ""
        hit = self._find_hit(key)
        if hit.step:
            self._progress.take(step, key, hit.step, ())
            return Explanation(step=step.name, outcome="cached", why=self._progress.steps[step.name].why)
        return self._runs(step.name, hit.spoiled)

    def _unsure(self, node: Node, step: str) -> Explanation:
        """What can be said while inputs are not known: it runs for certain if anything else changed."""
        progress = self._progress
        for branch in node.when:
            if branch.each or not verdict(progress.run, branch.condition, progress.steps):
                wanted = str(branch.taken).lower()
                why = f"runs only if {title(branch.condition)} is {wanted}"
                return Explanation(step=step, outcome="depends", why=why)
        if node.kind == "choose":
            condition = node.inputs["condition"]
            known = verdict(progress.run, condition, progress.steps)
            why = f"{title(condition)} is {known}" if known else f"chooses once {title(condition)} is known"
            return Explanation(step=step, outcome="depends", why=why)
        found, earlier = self._ingredients(step)
        if not cacheable(node) or earlier is None or changed(found, earlier):
            return self._runs(step)
        names = dict.fromkeys(name for name in needed(node) if not progress.succeeded(name))
        why = f"runs unless {' and '.join(names)} gives what it gave before"
        return Explanation(step=step, outcome="depends", why=why)

    def _runs(self, name: str, spoiled: str = "") -> Explanation:
        found, earlier = self._ingredients(name)
        node = self._progress.node(name)
        return Explanation(
            step=name,
            outcome="runs",
            why=f"runs {because(node, found, earlier, spoiled, self._progress.past(node))}",
            changes=tuple(
                Change(name=word, before=(earlier or {}).get(word), now=found[word])
                for word in changed(found, earlier or {})
            ),
        )

    def _ingredients(self, name: str) -> tuple[Ingredients, Ingredients | None]:
        return self._progress.ingredients_of(name), ingredients_before(self._before, name)

    @staticmethod
    def _whole(step: StepRun, elements: Sequence[Explanation]) -> Explanation:
        """What would become of a node that goes over lists, given what would of their elements."""
        count = len(elements)
        number = {word: sum(each.outcome == word for each in elements) for word in ("runs", "depends")}
        if number["runs"]:
            why = f"runs {number['runs']} of {count} elements anew"
            return Explanation(step=step.name, outcome="runs", why=why)
        if number["depends"]:
            why = f"{number['depends']} of {count} elements depend on others"
            return Explanation(step=step.name, outcome="depends", why=why)
        if step.status == "skipped":
            return Explanation(step=step.name, outcome="skipped", why=step.why)
        why = f"all {count} elements are cached" if count else step.why
        return Explanation(step=step.name, outcome="cached", why=why)
