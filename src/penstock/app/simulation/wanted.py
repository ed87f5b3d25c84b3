"""What somebody wants simulated, checked against the project before anything is done."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from msgspec.structs import replace

from penstock.app.ready import local_workspace
from penstock.app.simulation.policies import policies
from penstock.app.simulation.types import Wanted
from penstock.core.errors import InvalidValue, NotFound
from penstock.core.words import meant
from penstock.pipelines.types import Graph
from penstock.revisions.config import parse_config

DAY = timedelta(days=1)
LEAST = timedelta(hours=1)
REQUESTS = 40_000
"""Predictions under each policy where nobody says how many: some seconds of a simulation."""


def require_time(start: datetime, end: datetime, every: timedelta, changes: Sequence[datetime]) -> None:
    """Raises InvalidValue for days and spans in which nothing can be lived through."""
    if end - start < DAY:
        raise InvalidValue(
            what="There is nothing to live through",
            expected="--to at least a day after --from",
            found=f"{start:%Y-%m-%d} to {end:%Y-%m-%d}",
        )
    if every < LEAST:
        raise InvalidValue(expected="--every of at least an hour", found=str(every))
    for change in changes:
        if not start <= change < end:
            raise InvalidValue(expected="a --change between --from and --to", found=f"{change:%Y-%m-%d}")


def wanted_of(
    folder: Path,
    graphs: Sequence[Graph],
    *,
    named: Sequence[str],
    start: datetime,
    end: datetime,
    every: timedelta = DAY,
    pipeline: str = "",
    environment: str = "",
    requests: int = REQUESTS,
    price: float = 0.0,
    changes: tuple[datetime, ...] = (),
) -> Wanted:
    """The simulation that is meant; `named` are names and files of policies, none for the usual ones.

    Raises NotFound and InvalidValue with one sentence for what cannot be simulated.
    """
    text = (folder / "penstock.toml").read_text(encoding="utf-8")
    config = parse_config(text, str(folder / "penstock.toml"))
    place = environment or config.last
    own = config.environment(place).data
    graph = _publishing(graphs, pipeline)
    workspace = local_workspace(folder)
    return Wanted(
        project=config.name,
        config=text,
        environment=place,
        graph=graph,
        workspace=replace(workspace, data_root=str(folder.resolve() / own)) if own else workspace,
        policies=policies(named, text, place, graph.pipeline, [each.pipeline for each in graphs]),
        start=start,
        end=end,
        every=every,
        requests=requests,
        price=price,
        changes=changes,
    )


def _publishing(graphs: Sequence[Graph], named: str) -> Graph:
    """The pipeline that is meant, which publishes one model."""
    known = [graph.pipeline for graph in graphs]
    if named and named not in known:
        raise NotFound(
            what=f"There is no pipeline {named!r}", expected=", ".join(known), fix=meant(named, known)
        )
    found = [
        graph
        for graph in graphs
        if graph.pipeline == (named or graph.pipeline)
        and sum(node.kind == "publish" for node in graph.nodes) == 1
    ]
    if len(found) != 1:
        raise InvalidValue(
            expected="one pipeline that publishes one model" + (f" in {named}" if named else ""),
            found=", ".join(graph.pipeline for graph in found) or "none",
            fix="Name one with --pipeline." if found else "",
        )
    return found[0]
