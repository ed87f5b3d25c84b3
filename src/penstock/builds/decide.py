"""Pure decisions of test and build: what to build, whose claim ran out, what a release consists of."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from penstock.builds.types import Build, Built
from penstock.core.durations import duration
from penstock.core.errors import InvalidValue
from penstock.core.words import meant
from penstock.pipelines.features import views_in
from penstock.pipelines.parameters import typed
from penstock.pipelines.types import Graph
from penstock.revisions.config import (
    CHANGE,
    EVER,
    ArrivalCondition,
    EnvironmentConfig,
    ProjectConfig,
    SkewCondition,
    TriggerConfig,
)
from penstock.revisions.types import Branch


def unbuilt(branches: Sequence[Branch], built: Collection[tuple[str, str]]) -> list[Branch]:
    """The branches whose newest commit has no build, one for each commit; `built` are (project, commit)."""
    heads = {(branch.project, branch.commit): branch for branch in reversed(branches)}
    return [branch for head, branch in reversed(heads.items()) if head not in built]


def passed_over(queued: Sequence[Build], branches: Sequence[Branch]) -> list[tuple[Build, Branch]]:
    """The builds that nobody has begun and whose branch has moved on, with where it stands."""
    heads = {(branch.project, branch.commit) for branch in branches}
    there = {(branch.project, branch.name): branch for branch in branches}
    return [
        (build, there[build.project, build.branch])
        for build in queued
        if build.token == 0
        and (build.project, build.commit) not in heads
        and (build.project, build.branch) in there
    ]


def orphans(running: Sequence[Build], alive: Collection[str], now: datetime) -> list[Build]:
    """The running builds that nobody here works on and whose lease ran out at `now`, the machine's time."""
    return [b for b in running if b.id not in alive and (b.lease is None or b.lease.until <= now)]


NO_PIPELINE = "The project has no pipeline."
PAUSES = (timedelta(seconds=5), timedelta(seconds=30), timedelta(minutes=3))
"""How long to wait after each time that a build was broken off, before it is begun again."""


def pause(broken: int) -> timedelta | None:
    """How long to wait after a build was broken off `broken` times; None when it was often enough."""
    return PAUSES[broken - 1] if broken <= len(PAUSES) else None


def ready(queued: Sequence[Build], busy: Collection[str], now: datetime) -> list[Build]:
    """The queued builds that can be begun at `now`, the machine's time; `busy` ids still end here."""
    return [b for b in queued if b.id not in busy and (b.not_before is None or b.not_before <= now)]


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
    triggers = [*config.triggers, *(each for e in config.environments for each in e.triggers)]
    gates = [*config.models.items(), *(each for e in config.environments for each in e.models.items())]
    guarded = [name for name, model in gates if not model.imported]
    sentences = [
        f"A trigger starts the pipeline {name!r}, which there is not. {meant(name, pipelines) or NO_PIPELINE}"
        for name in dict.fromkeys(trigger.pipeline for trigger in triggers)
        if name not in pipelines
    ]
    allowed = {name for name, model in gates if model.unsafe_pickle.strip()}
    pickled = {str(n.settings["model"]) for g in graphs for n in g.nodes if n.settings.get("unsafe_pickle")}
    sentences += [
        f"A pipeline publishes the model {name!r} as a pickle, which runs whatever code it names when it is "
        f"loaded. Say in [models.{name}] why that may be: unsafe_pickle = REASON."
        for name in sorted(pickled - allowed)
    ]
    sentences += [
        f"The gate of the model {name!r} guards nothing: no pipeline publishes it. "
        f"{meant(name, models) or 'Say imported = true if its versions come from elsewhere.'}"
        for name in dict.fromkeys(guarded)
        if name not in models
    ]
    sentences += [
        *_unread(triggers, graphs),
        *_versionless(triggers, graphs),
        *_unmeasured(triggers, graphs),
        *_unserved(triggers, graphs),
        *_immaterial(triggers, graphs),
    ]
    return sentences + [sentence for e in config.environments for sentence in _misfits(e, graphs)]


def _immaterial(triggers: Sequence[TriggerConfig], graphs: Sequence[Graph]) -> list[str]:
    """Sentences about triggers that say what to train on, where a pipeline cannot."""
    sentences = []
    for trigger in (each for each in triggers if each.since):
        for graph in (each for each in graphs if each.pipeline == trigger.pipeline):
            rows = [node.settings["holdout"] for node in graph.nodes if node.kind == "rows"]
            says = f"A trigger of {graph.pipeline!r} says since = {trigger.since!r}, "
            if not rows:
                sentences.append(f"{says}and the pipeline has no training_rows(...) that would heed it.")
            elif trigger.since not in {CHANGE, EVER}:
                sentences += [
                    f"{says}which is no more than the holdout of {holdout}: nothing is left to train on."
                    for holdout in rows
                    if duration(trigger.since) <= duration(holdout)
                ]
    return sentences


def _unread(triggers: Sequence[TriggerConfig], graphs: Sequence[Graph]) -> list[str]:
    """Sentences about sources whose new rows are waited for by a pipeline that does not read them."""
    reads = {
        graph.pipeline: {node.settings["source"]["name"] for node in graph.nodes if node.kind == "snapshot"}
        for graph in graphs
    }
    return [
        f"A trigger starts {trigger.pipeline!r} on new rows of {each.source!r}, which it does not read. "
        f"{meant(each.source, reads[trigger.pipeline]) or 'It reads no source.'}"
        for trigger in triggers
        for each in trigger.every
        if isinstance(each, ArrivalCondition)
        and trigger.pipeline in reads
        and each.source not in reads[trigger.pipeline]
    ]


def _versionless(triggers: Sequence[TriggerConfig], graphs: Sequence[Graph]) -> list[str]:
    """Sentences about sources whose new versions are waited for and that will never have any."""
    read = {
        (graph.pipeline, node.settings["source"]["name"]): node.settings["source"].get("kind", {})
        for graph in graphs
        for node in graph.nodes
        if node.kind == "snapshot"
    }
    return [
        f"A trigger starts {trigger.pipeline!r} on new versions of {each.source!r}, which "
        + (
            f"is always read at version {kind['version']}."
            if kind.get("type") == "delta"
            else "is no Delta table."
        )
        for trigger in triggers
        for each in trigger.every
        if isinstance(each, ArrivalCondition) and each.what == "versions"
        for kind in [read.get((trigger.pipeline, each.source))]
        if kind is not None and (kind.get("type") != "delta" or kind.get("version") is not None)
    ]


def _unmeasured(triggers: Sequence[TriggerConfig], graphs: Sequence[Graph]) -> list[str]:
    """Sentences about sources of predictions, whose rows alone can be waited for."""
    logged = {
        (graph.pipeline, node.settings["source"]["name"])
        for graph in graphs
        for node in graph.nodes
        if node.kind == "snapshot" and node.settings["source"].get("kind", {}).get("type") == "predictions"
    }
    return [
        f"A trigger starts {trigger.pipeline!r} on new {each.what} of {each.source!r}, which is what a model "
        "answered: wait for new_rows of it."
        for trigger in triggers
        for each in trigger.every
        if isinstance(each, ArrivalCondition)
        and each.what in {"bytes", "partitions"}
        and (trigger.pipeline, each.source) in logged
    ]


def _unserved(triggers: Sequence[TriggerConfig], graphs: Sequence[Graph]) -> list[str]:
    """Sentences about skew that is waited for of views which no model of the pipeline reads online."""
    read = {graph.pipeline: list(views_in(graph)) for graph in graphs}
    sentences = []
    for trigger in triggers:
        for each in trigger.every:
            if not isinstance(each, SkewCondition) or trigger.pipeline not in read:
                continue
            views, says = read[trigger.pipeline], f"A trigger starts {trigger.pipeline!r} on skew of "
            if each.view and each.view not in views:
                sentences.append(
                    f"{says}{each.view!r}, which it does not train on. "
                    f"{meant(each.view, views) or 'It trains on none.'}"
                )
            elif not views:
                sentences.append(f"{says}what is read online, and it trains on no feature view.")
    return sentences


def _misfits(environment: EnvironmentConfig, graphs: Sequence[Graph]) -> list[str]:
    """Sentences about the parameters of an environment that its pipelines do not take."""
    known = {
        graph.pipeline: {parameter.name: parameter for parameter in graph.parameters} for graph in graphs
    }
    sentences = []
    for pipeline, params in environment.params.items():
        if pipeline not in known:
            sentences.append(
                f"{environment.name} sets parameters of the pipeline {pipeline!r}, which there is not. "
                f"{meant(pipeline, known) or NO_PIPELINE}"
            )
            continue
        for name, value in params.items():
            try:
                if name in known[pipeline]:
                    typed(pipeline, known[pipeline][name], value)
                else:
                    sentences.append(
                        f"{environment.name} sets the parameter {name!r}, which {pipeline} does not have. "
                        f"{meant(name, known[pipeline]) or 'It has none.'}"
                    )
            except InvalidValue as error:
                sentences.append(f"{environment.name} sets a parameter wrongly: {error}")
    return sentences
