"""Which steps of a run there is something to do about, so that not every tick looks at every step."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from penstock.pipelines.graph import needed
from penstock.pipelines.types import Graph
from penstock.runs.instances import is_instance, node_of
from penstock.runs.types import StepRun, StepStatus

OPEN: tuple[StepStatus, ...] = ("waiting", "queued", "running")
"""Steps that have not ended."""


class Agenda:
    """The steps that have not ended, by status, and those that wait and have news.

    A step that waits has news when it is new or when one that it waits for has ended since it was looked at.
    `needed` are the nodes that each node waits for.
    """

    def __init__(self, graph: Graph, steps: Iterable[StepRun]) -> None:
        self.needed = {node.name: needed(node) for node in graph.nodes}
        self._followers: dict[str, list[str]] = {}
        for node, names in self.needed.items():
            for name in names:
                self._followers.setdefault(name, []).append(node)
        self._elements: dict[str, list[str]] = {}
        self._place: dict[str, int] = {}
        self._open: dict[str, set[str]] = {status: set() for status in OPEN}
        self._news: set[str] = set()
        for step in steps:
            self.note(step)

    def note(self, step: StepRun) -> None:
        """Take in a step that is new or not as it was."""
        name = step.name
        if name not in self._place:
            self._place[name] = len(self._place)
            if is_instance(name):
                self._elements.setdefault(node_of(name), []).append(name)
        for status, names in self._open.items():
            (names.add if status == step.status else names.discard)(name)
        if step.status == "waiting":
            self._news.add(name)
        elif step.status not in OPEN:
            self._news.update(self.followers(name))

    def divide(self, name: str) -> None:
        """Take in that it is known how many elements a node goes over: who goes over its results has news."""
        self._news.update(self._followers.get(name, []))

    def followers(self, name: str) -> list[str]:
        """The steps that wait for this one, as long as they wait; of an element, those of the same one."""
        node = node_of(name)
        nodes = self._followers.get(node, [])
        if is_instance(name):
            of_same = (follower + name[len(node) :] for follower in nodes)
            return [node, *(follower for follower in of_same if follower in self._place)]
        return [*nodes, *(each for follower in nodes for each in self._elements.get(follower, ()))]

    def news(self) -> list[str]:
        """The steps that wait and have news, in the order of the graph."""
        return self._in_order(self._news & self._open["waiting"])

    def keep(self, names: Iterable[str]) -> None:
        """Of the steps that have news, all but these were looked at in vain."""
        self._news = set(names)

    def of(self, status: str) -> Collection[str]:
        """The steps that are waiting, queued or running, in no order."""
        return self._open[status]

    def those(self, status: str) -> list[str]:
        """The steps that are waiting, queued or running, in the order of the graph."""
        return self._in_order(self._open[status])

    def left(self) -> int:
        """How many steps have not ended."""
        return sum(map(len, self._open.values()))

    def _in_order(self, names: Iterable[str]) -> list[str]:
        return sorted(names, key=self._place.__getitem__)
