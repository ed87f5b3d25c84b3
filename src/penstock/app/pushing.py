"""Rows that programs push, brought to the source that a deployed release declares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from penstock.core.clock import Clock
from penstock.core.errors import InvalidValue, NotFound
from penstock.core.words import meant
from penstock.datasets.ports import PushLog
from penstock.datasets.types import Events, Pushed, Source
from penstock.deployments.environments import Environments, Held
from penstock.lineage.ports import Blobs, Store


class Pushing:
    """Pushes to the sources of deployed releases."""

    def __init__(self, store: Store, blobs: Blobs, log: PushLog, clock: Clock) -> None:
        self._store = store
        self._environments = Environments(blobs)
        self._log = log
        self._clock = clock

    def push(
        self, name: str, rows: Sequence[Mapping[str, Any]], *, project: str = "", environment: str = ""
    ) -> Pushed:
        """Keep rows of a source where an environment has its data; durable when it returns.

        Without an environment it is the last one that a release which reads the source has reached.
        Raises NotFound, InvalidValue and StorageFailed.
        """
        source, root = self._declared(name, project, environment)
        if not isinstance(source.kind, Events):
            raise InvalidValue(
                what=f"The source {name} is read from elsewhere, nobody pushes its rows.",
                fix="A source that is declared with events(...) takes rows.",
            )
        return self._log.append(source, root, rows, self._clock.now())

    def _declared(self, name: str, project: str, environment: str) -> tuple[Source, Path]:
        with self._store.read() as reader:
            found = [
                (source, held)
                for held in self._environments.held(reader)
                if project in {"", held.release.project} and environment in {"", held.deployment.environment}
                for source in _sources(held)
            ]
            named = [(source, held) for source, held in found if source.name == name]
            if not named:
                known = sorted({source.name for source, _ in found if isinstance(source.kind, Events)})
                where = f" in {environment}" if environment else ""
                raise NotFound(
                    what=f"No release reads a source {name!r}{where}.",
                    fix=meant(name, known) or "Deploy one whose pipeline reads events(...).",
                )
            source, held = named[-1]
            return source, self._environments.data_root(reader, held)


def _sources(held: Held) -> list[Source]:
    nodes = (node for graph in held.release.graphs for node in graph.nodes if node.kind == "snapshot")
    return [msgspec.convert(node.settings["source"], Source) for node in nodes]
