"""What the runs of a trigger train on: the rows that it declares, in place of those of the pipeline."""

from __future__ import annotations

from typing import Any

import msgspec

from penstock.lineage.ports import Reader
from penstock.monitoring.types import Alarm
from penstock.pipelines.types import Graph
from penstock.revisions.config import CHANGE, EVER, DriftCondition
from penstock.triggers.watch import Watch


class Material(msgspec.Struct, frozen=True, kw_only=True):
    """What a trigger's runs train on: the graph that asks for it, and how that is told, empty where the
    pipeline alone says it.
    """

    graph: Graph
    why: str = ""
    evidence: dict[str, Any] = {}


def material(reader: Reader, watch: Watch) -> Material:
    """What a run trains on that a trigger starts now."""
    since = watch.config.since if watch.config else ""
    if not since:
        return Material(graph=watch.runs)
    if since == EVER:
        return _asking(watch, "trains on all rows there are", span="")
    if since != CHANGE:
        return _asking(watch, f"trains on rows of the last {since}", span=since)
    alarm = _change(reader, watch)
    if alarm is None:
        return Material(graph=watch.runs, why="trains on what the pipeline says, since no change is known")
    return _asking(
        watch,
        f"trains on rows since {alarm.since:%Y-%m-%d}, when the change of alarm {alarm.id} began, "
        "or on twice the holdout if that is more",
        since=alarm.since.isoformat(),
        alarm=alarm.id,
    )


def _change(reader: Reader, watch: Watch) -> Alarm | None:
    """The alarm about the newest change that has not gone by, of what the trigger watches of its models."""
    models = tuple(node.settings["model"] for node in watch.graph.nodes if node.kind == "publish")
    watched = watch.config.every if watch.config else ()
    found = reader.find(
        Alarm,
        model=models,
        environment=watch.held.rule.name,
        what=tuple(each.what for each in watched if isinstance(each, DriftCondition)),
        back=False,
        order="-since",
        limit=1,
    )
    return found[0] if found else None


def _asking(watch: Watch, why: str, *, alarm: str = "", **rows: str) -> Material:
    """A graph whose training rows are these."""
    nodes = tuple(
        msgspec.structs.replace(node, settings={**node.settings, **rows})
        if node.kind in {"rows", "spine", "part"}
        else node
        for node in watch.runs.nodes
    )
    told = {**rows, "alarm": alarm} if alarm else dict(rows)
    return Material(
        graph=msgspec.structs.replace(watch.runs, nodes=nodes), why=why, evidence={"trains_on": told}
    )
