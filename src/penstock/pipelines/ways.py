"""Pure: which nodes run only when a branch of a choice is taken, and in which order nodes can run."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from msgspec.structs import replace

from penstock.core.errors import InvalidPipeline
from penstock.pipelines.graph import needed, spread
from penstock.pipelines.types import Node, Output, Way

SIDES = {"then": True, "otherwise": False}
"""The inputs of a choice, by what its condition must be for them to be taken."""


def conditioned(nodes: Mapping[str, Node], kept: Collection[str]) -> tuple[Node, ...]:
    """The nodes, each with every branch that it belongs to, in an order in which they can run.

    A node belongs to the branches in which it was drawn and to those without which nobody uses it; what is
    `kept` is used in any case. Every node stands after those that it takes something from.
    Raises InvalidPipeline for a node that takes something from a branch to which it does not belong.
    """
    found: dict[str, Node] = {}
    uses: dict[str, list[tuple[Way, ...]]] = {}
    for name, node in reversed(list(nodes.items())):
        wanted = uses.get(name, []) if name not in kept else []
        common = [b for b in wanted[0] if all(b in use for use in wanted)] if wanted else []
        if not spread(node):  # what is done once does not go the ways of the elements that use it
            common = [b for b in common if not b.each]
        found[name] = replace(node, when=tuple(dict.fromkeys([*common, *node.when])))
        for source, when in _wires(found[name]):
            uses.setdefault(source, []).append(when)
    for node in found.values():
        _check_sources(node, found)
    return tuple(_in_order(nodes, found))


def _wires(node: Node) -> Iterator[tuple[str, tuple[Way, ...]]]:
    """The nodes that this one takes something from, each with the branches in which it does so."""
    sides = SIDES if node.kind == "choose" else {}
    for name, wire in node.inputs.items():
        if isinstance(wire, Output):
            each = "condition" in node.over
            own = [Way(node.inputs["condition"], sides[name], each)] if name in sides else []
            yield wire.node, (*node.when, *own)


def _check_sources(node: Node, nodes: Mapping[str, Node]) -> None:
    for source, when in _wires(node):
        if not set(nodes[source].when) <= set(when):
            raise InvalidPipeline(
                what=f"`{node.name}` takes the result of `{source}`, which is drawn in a branch of a choice.",
                fix="Take the result of `choose`, or draw both in the same branch.",
            )


def _in_order(names: Collection[str], nodes: Mapping[str, Node]) -> Iterator[Node]:
    """The nodes in the given order, except that what a node needs comes before it."""
    done: set[str] = set()
    waiting = list(reversed(list(names)))
    while waiting:
        name = waiting[-1]
        missing = [need for need in needed(nodes[name]) if need not in done]
        if missing and name not in done:
            waiting += missing
            continue
        waiting.pop()
        if name not in done:
            done.add(name)
            yield nodes[name]
