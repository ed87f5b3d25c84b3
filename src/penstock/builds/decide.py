"""Pure decisions of test and build: what to build, whose claim ran out, what a release consists of."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import msgspec

from penstock.builds.types import Build, Built
from penstock.core.words import meant
from penstock.pipelines.types import Graph
from penstock.revisions.config import ProjectConfig
from penstock.revisions.types import Branch


def unbuilt(branches: Sequence[Branch], built: Collection[tuple[str, str]]) -> list[Branch]:
    """The branches whose newest commit has no build, one for each commit; `built` are (project, commit)."""
    heads = {(branch.project, branch.commit): branch for branch in reversed(branches)}
    return [branch for head, branch in reversed(heads.items()) if head not in built]


def orphans(running: Sequence[Build], alive: Collection[str], now: datetime) -> list[Build]:
    """The running builds that nobody here works on and whose lease ran out at `now`, the machine's time."""
    return [b for b in running if b.id not in alive and (b.lease is None or b.lease.until <= now)]


def manifest(build: Build, built: Built) -> dict[str, Any]:
    """All that a release consists of; its digest names the release."""
    return {
        "project": build.project,
        "commit": build.commit,
        "wheel": built.wheel,
        "lock": built.lock,
        "config": built.config,
        "environment": built.environment,
        "graphs": msgspec.to_builtins(built.graphs),
        "outputs": {output.name: output.digest for output in built.outputs},
    } | ({"folder": build.folder} if build.folder else {})


def dangling(config: ProjectConfig, graphs: Sequence[Graph]) -> list[str]:
    """Sentences about the pipelines and models that `penstock.toml` names and that do not exist."""
    pipelines = {graph.pipeline for graph in graphs}
    models = {
        str(node.settings.get("model")) for graph in graphs for node in graph.nodes if node.kind == "publish"
    }
    sentences = [
        f"A trigger starts the pipeline {name!r}, which there is not. {meant(name, pipelines)}"
        for name in dict.fromkeys(trigger.pipeline for trigger in config.triggers)
        if name not in pipelines
    ]
    sentences += [
        f"The gate of the model {name!r} guards nothing: no pipeline publishes it. {meant(name, models)}"
        for name in config.models
        if name not in models
    ]
    return sentences
