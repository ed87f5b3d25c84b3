"""Pure decisions of the registry: what a version records, its stage, and who was champion when."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import PurePath
from typing import Any, Literal

import msgspec

from penstock.core.digests import digest_value
from penstock.datasets.types import Prior, Profile, Snapshot
from penstock.models.imports import imported_by
from penstock.models.types import APART, PICKLE, Placement, RoleChange, Signature, Version
from penstock.pipelines.features import views_in
from penstock.pipelines.types import Candidate, Graph, Output
from penstock.runs.types import Run, StepRun

Stage = Literal["development", "staging", "production", "archived"]


def snapshots_of(steps: Iterable[StepRun]) -> list[Snapshot]:
    """The snapshots that a run's steps read, each once."""
    found = {
        artifact.meta["snapshot"]["id"]: msgspec.convert(artifact.meta["snapshot"], Snapshot)
        for step in steps
        for artifact in step.outputs.values()
        if "snapshot" in artifact.meta
    }
    return list(found.values())


def draft(
    run: Run,
    candidate: Candidate,
    snapshots: Iterable[Snapshot],
    *,
    number: int,
    location: str,
    now: datetime,
    governance: Mapping[str, Any],
    lasts: timedelta | None = None,
) -> Version:
    """The version that a run's candidate becomes, which `lasts` so long, or for ever.

    Raises msgspec.ValidationError for a damaged candidate.
    """
    profile = msgspec.convert(candidate.profile, Profile)
    elsewhere = imported_by(run.graph) is not None  # when and on what, nobody here knows
    read = list(snapshots)
    return Version(
        id=f"{candidate.model}@{number}",
        model=candidate.model,
        number=number,
        project=run.project,
        environment=run.environment,
        run=run.id,
        added=now,
        format=candidate.format,
        artifact=candidate.artifact,
        location=location,
        size=candidate.size,
        signature=msgspec.convert(candidate.signature, Signature),
        metrics=candidate.metrics,
        profile=profile,
        examples=candidate.examples,
        holdout=candidate.holdout,
        label=candidate.label,
        parity=candidate.parity,
        training={
            "as_of": "" if elsewhere else _known_until(run, candidate, read),
            "rows": None if elsewhere else profile.rows,
            "snapshots": [msgspec.to_builtins(snapshot) for snapshot in read],
            "features": _features(run.graph),
            "origins": _origins(run.graph, candidate.origins),
            **({"expectations": candidate.expectations} if candidate.expectations else {}),
        },
        governance=dict(governance),
        metadata={
            **candidate.metadata,
            **({"code": _code(run)} if candidate.format == PICKLE else {}),
            "pipeline": run.graph.target,
            "params": run.params,
        },
        dependencies=candidate.dependencies,
        prior=msgspec.convert(candidate.prior or {"rows": 0}, Prior),
        expires=now + lasts if lasts else None,
        runtime=PurePath(run.workspace.python).parent.parent.name if candidate.format in APART else "",
        days=candidate.days,
        estimator=candidate.estimator,
        influence=candidate.influence,
    )


def _known_until(run: Run, candidate: Candidate, read: Iterable[Snapshot]) -> str:
    """As of when training rows were made: the earliest time that a source of theirs was read as of.

    The candidate names the snapshots of the run that made the rows first, which may be an earlier one.
    """
    nodes = {node.name: node for node in run.graph.nodes}
    published = (node for node in nodes.values() if node.settings.get("model") == candidate.model)
    wires = [node.inputs.get("inputs") for node in published]
    rows = [nodes[wire.node].settings for wire in wires if isinstance(wire, Output)]
    sources = {each["source"]["name"] for settings in rows for each in (settings, *settings.get("views", ()))}
    times = (snapshot.as_of for snapshot in read if snapshot.source in sources)
    return min(times, default=run.as_of).isoformat()


def _code(run: Run) -> str:
    """The folder of the release's code, as it is called below `code` of any home; empty without a release."""
    parts = PurePath(run.workspace.folder).parts
    return "/".join(parts[parts.index(run.release) :]) if run.release in parts else ""


def _origins(graph: Graph, origins: dict[str, Any]) -> dict[str, Any]:
    """Where inputs come from, with the version of each feature view that the model was trained on."""
    drawn = views_in(graph)
    views = [
        view | {"version": drawn[view["name"]].version} if view["name"] in drawn else view
        for view in origins.get("views", ())
    ]
    return origins | {"views": views} if views else origins


def _features(graph: Graph) -> dict[str, str]:
    """The feature views that training rows were joined with, and the digest of their code together, and of
    what they ask where that is SQL.
    """
    return {
        view["name"]: digest_value([node.code, view["query"]]) if view.get("query") else node.code
        for node in graph.nodes
        if node.kind == "rows"
        for view in node.settings.get("views", ())
    }


def stage(placements: Iterable[Placement], last_environment: str) -> Stage:
    """Where a version stands, from its placements alone.

    `last_environment` is the end of the order of promotion: its champion is in production.
    """
    roles = {(placement.role, placement.environment) for placement in placements}
    if ("champion", last_environment) in roles:
        return "production"
    if any(role in {"champion", "candidate", "challenger"} for role, _ in roles):
        return "staging"
    return "archived" if roles else "development"


def champion_at(history: Sequence[RoleChange], environment: str, time: datetime) -> int:
    """The number of the champion in an environment at a time, 0 when there was none.

    `history` is a model's, oldest first.
    """
    champion = 0
    for change in history:
        if change.environment != environment or change.time > time:
            continue
        if change.role == "champion":
            champion = change.number
        elif change.number == champion:
            champion = 0
    return champion
