"""Nouns of a simulation; none of them is stored."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec

from penstock.pipelines.types import Graph
from penstock.runs.types import Workspace


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """When a pipeline is trained again: `trigger` as `penstock.toml` has it, None for never.

    In a simulation it is an environment of that name.
    """

    name: str
    trigger: dict[str, Any] | None


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be simulated: a pipeline of a project under several policies, from `start` to `end`.

    `config` is the text of the project's `penstock.toml`, `environment` the one whose rules hold; decisions
    are made `every` so often, and at the hours of schedules. At most `requests` predictions are asked for
    under each policy. `price` is what an hour of training costs, `changes` are moments at which the data are
    known to have changed.
    """

    project: str
    config: str
    environment: str
    graph: Graph
    workspace: Workspace
    policies: tuple[Policy, ...]
    start: datetime
    end: datetime
    every: timedelta
    requests: int
    price: float = 0.0
    changes: tuple[datetime, ...] = ()

    @property
    def model(self) -> str:
        """The model that the pipeline publishes."""
        return next(str(node.settings["model"]) for node in self.graph.nodes if node.kind == "publish")
