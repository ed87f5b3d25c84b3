"""Running a pipeline from a folder: no server, no account, no configuration."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from penstock.adapters.executors.environment import packages, python_version
from penstock.adapters.executors.machine import ended
from penstock.adapters.forges.uncommitted import commit_and_changes
from penstock.app.ready import local_workspace
from penstock.app.workbench import Workbench
from penstock.pipelines.code import sources
from penstock.pipelines.graph import coerce, targets_of
from penstock.pipelines.types import Graph
from penstock.revisions.config import parse_config
from penstock.runs.drive import OnProgress, run_to_end
from penstock.runs.explain import Explanation
from penstock.runs.types import Origin, Run, StepRun, Workspace
from penstock.runs.views import ACTIVE

ENVIRONMENT = "development"


class Place(NamedTuple):
    """Code that can be run: whose it is, where it is and what it was made of."""

    project: str
    workspace: Workspace
    origin: Origin


def run_target(
    bench: Workbench,
    target: str,
    folder: Path,
    params: Mapping[str, Any],
    on_progress: OnProgress,
    *,
    priority: int = 0,
    as_of: datetime | None = None,
) -> Run:
    """Draw and run `package.module:pipeline` from a project's folder, in the Python that runs this.

    Gives the finished run, succeeded or not; what it published is registered. An interrupt
    (Ctrl-C) cancels it. Raises InvalidPipeline when it cannot be drawn, InvalidProject for a
    penstock.toml that cannot be read and InvalidValue for a wrong parameter and for a time to come.
    """
    place = Place(project_name(folder), local_workspace(folder), local_origin(bench, folder))
    return run_there(bench, target, place, params, on_progress, priority=priority, as_of=as_of)


def run_there(
    bench: Workbench,
    target: str,
    place: Place,
    params: Mapping[str, Any],
    on_progress: OnProgress,
    *,
    priority: int = 0,
    as_of: datetime | None = None,
) -> Run:
    """Draw and run a pipeline of the code at a place; see `run_target`.

    What a killed process was making for another run is put back first: this one may need the same.
    """
    bench.runs.recover(ended)
    graph = bench.executor.draw(place.workspace, target)
    run = bench.runs.submit(
        project=place.project,
        pipeline=graph.pipeline,
        environment=ENVIRONMENT,
        graph=graph,
        workspace=place.workspace,
        params=coerce(graph, params),
        origin=with_sources(bench, place.origin, place.workspace, graph),
        actor=bench.actor(""),
        priority=priority,
        as_of=as_of,
    )
    return _to_its_end(bench, run.id, on_progress)


def retry_run(bench: Workbench, run: str, on_progress: OnProgress) -> Run:
    """Carry a run that failed, was cancelled, or whose process was killed to its end; gives the ended run.

    What it finished is kept. Raises NotFound, and Conflict for a run that succeeded or that somebody
    carries out.
    """
    bench.runs.recover(ended)
    with bench.store.read() as reader:
        left = reader.get(Run, run).status in ACTIVE and not reader.count(StepRun, run=run, status="running")
    if not left:
        bench.runs.retry(run, actor=bench.actor(""))
    return _to_its_end(bench, run, on_progress)


def _to_its_end(bench: Workbench, run: str, on_progress: OnProgress) -> Run:
    try:
        finished = run_to_end(bench.runs, run, bench.clock, on_progress)
    except KeyboardInterrupt:
        return bench.runs.cancel(run, actor=bench.actor(""))
    bench.models.tick(bench.clock.now())
    return finished


def plan_target(
    bench: Workbench, target: str, folder: Path, params: Mapping[str, str], as_of: datetime | None = None
) -> tuple[Graph, list[Explanation]]:
    """The graph of `package.module:pipeline` and what a run of it would do, step by step and why.

    Nothing is run. Raises InvalidPipeline and InvalidValue like `run_target`.
    """
    workspace = local_workspace(folder)
    graph = bench.executor.draw(workspace, target)
    where: dict[str, Any] = {"project": project_name(folder), "environment": ENVIRONMENT}
    return graph, bench.runs.explain(graph, workspace=workspace, params=params, as_of=as_of, **where)


def project_name(folder: Path) -> str:
    """The name in the folder's penstock.toml; the folder's own where there is none. Raises InvalidProject."""
    file = folder / "penstock.toml"
    return (
        parse_config(file.read_text(encoding="utf-8"), str(file)).name
        if file.exists()
        else folder.resolve().name
    )


def local_origin(bench: Workbench, folder: Path) -> Origin:
    """What a run from this folder is made of: its commit, what is not committed, and the environment."""
    commit, changes = commit_and_changes(folder, bench.home.folder)
    kept = bench.blobs.put(changes.encode(errors="surrogateescape")) if changes else ""
    return replace(_made_of(bench), commit=commit, changes=kept)


def released_place(bench: Workbench, about: Mapping[str, Any], code: Path, data_root: Path) -> Place:
    """The code of a release that was unpacked into a folder, with the Python that runs this program."""
    workspace = Workspace(
        python=sys.executable, folder=str(code), data_root=str(data_root.resolve()), lock=about["lock"]
    )
    return Place(about["project"], workspace, replace(_made_of(bench), commit=about["commit"]))


def _made_of(bench: Workbench) -> Origin:
    return Origin(python=python_version(), packages=bench.blobs.put(msgspec.json.encode(packages())))


def with_sources(bench: Workbench, origin: Origin, workspace: Workspace, graph: Graph) -> Origin:
    """An origin that also has the source of the graph's steps as it is now."""
    found = sources(Path(workspace.folder), targets_of(graph.nodes))
    return replace(origin, sources=bench.blobs.put(msgspec.json.encode(found)))
