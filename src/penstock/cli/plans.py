"""What a run would do, as pages: the whole graph, or one step and the difference to the last run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from penstock.cli.pages import Facts, Page, Table
from penstock.core.errors import NotFound
from penstock.core.words import meant

if TYPE_CHECKING:
    from penstock.pipelines.types import Graph, Node
    from penstock.runs.explain import Explanation


_OUTCOMES = {"runs": "would run", "cached": "cached", "depends": "depend on others", "skipped": "skipped"}


def planned(graph: Graph, explanations: Sequence[Explanation], target: str, then: str = "") -> Page:
    """The graph, step by step: what each takes something from, and what would become of it. `then` is the
    time that it reads as of, empty for now.
    """
    from penstock.pipelines.graph import needed
    from penstock.runs.instances import node_of

    nodes = {node.name: node for node in graph.nodes}
    items = []
    for each in explanations:
        node = nodes[node_of(each.step)]
        whole = each.step == node.name
        items.append(
            {
                "step": each.step,
                "after": ", ".join(needed(node)) if whole else "",
                "shape": _shape(node) if whole else "",
                "outcome": each.outcome,
                "why": each.why,
            }
        )
    counts = {word: sum(each["outcome"] == word for each in items) for word in _OUTCOMES}
    table = Table(items, ("step", "after", "shape", "outcome", "why"), "The pipeline has no steps.")
    summary = ", ".join(f"{count} {_OUTCOMES[word]}" for word, count in counts.items() if count) + "."
    data = {"pipeline": graph.pipeline, "target": target, "steps": items}
    running = next((each["step"] for each in items if each["outcome"] == "runs"), "")
    command = _command(target, then)
    more = (f"{command} --explain {running}",) if running else ()
    return Page(data, (table, summary), (command, *more))


def explained(
    explanations: Sequence[Explanation], step: str, target: str, patch: str, then: str = ""
) -> Page:
    """One step, and everything that it depends on and that is not as it was in the last run.

    `patch` is how its code differs, if it does.
    """
    from penstock.runs.keys import CODE

    known = {each.step: each for each in explanations}
    if step not in known:
        raise NotFound(what=f"{target} has no step {step}.", fix=meant(step, known))
    found = known[step]
    source = patch if any(each.name == CODE for each in found.changes) else ""
    changes = [
        {"what": each.name, "before": _brief(each.before), "now": _brief(each.now)} for each in found.changes
    ]
    table = Table(changes, ("what", "before", "now"), "Nothing that it depends on is known to differ.")
    facts = Facts(msgspec.structs.asdict(found), ("step", "outcome", "why"))
    data = {"step": step, "outcome": found.outcome, "why": found.why, "changes": changes, "source": source}
    return Page(data, (facts, table, *((source.rstrip(),) if source else ())), (_command(target, then),))


def _command(target: str, then: str) -> str:
    """The run that was looked at."""
    return f"penstock run {target}" + (f" --as-of {then}" if then else "")


def _shape(node: Node) -> str:
    from penstock.runs.choices import title

    over = [f"each of {' and '.join(node.over)}"] if node.over else []
    return ", ".join(
        [*over, *(f"if {title(each.condition)} is {str(each.taken).lower()}" for each in node.when)]
    )


def _brief(value: Any) -> str:
    """A value in a cell: short names for digests, a dash for what was not there."""
    if isinstance(value, str) and len(value) == 64:
        return value[:12]
    return "-" if value is None else msgspec.json.encode(value).decode()
