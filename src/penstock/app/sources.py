"""What the code of runs was, and how it differs."""

from __future__ import annotations

import tomllib
from contextlib import suppress
from pathlib import Path

import msgspec

from penstock.app.local import project_name
from penstock.app.workbench import Workbench
from penstock.core.errors import Corrupt, NotFound
from penstock.pipelines.code import sources
from penstock.pipelines.graph import targets_of
from penstock.pipelines.types import Graph
from penstock.runs.comparison import patch
from penstock.runs.instances import node_of
from penstock.runs.types import Run


def sources_of(bench: Workbench, run: Run) -> dict[str, str]:
    """The text of the project's modules that a run's steps led to, by path; none where it is gone."""
    if run.origin.sources:
        return _kept(bench, run.origin.sources)
    return sources(Path(run.workspace.folder), targets_of(run.graph.nodes)) if run.release else {}


def packages_of(bench: Workbench, run: Run) -> dict[str, str]:
    """The versions of the packages of a run: those that were there, or those that its release locked."""
    if run.origin.packages:
        return _kept(bench, run.origin.packages)
    with suppress(NotFound, Corrupt, tomllib.TOMLDecodeError):
        lock = tomllib.loads(bench.blobs.get(run.workspace.lock).decode()) if run.release else {}
        return {each["name"]: each["version"] for each in lock.get("package", ()) if "version" in each}
    return {}


def source_change(bench: Workbench, graph: Graph, folder: Path, step: str) -> str:
    """How the modules that a step of a drawn graph leads to differ from those of the last run that succeeded.

    A patch; empty where that run is not there or its code is gone.
    """
    folder = folder.resolve()
    where = {"project": project_name(folder), "pipeline": graph.pipeline, "status": "succeeded"}
    with bench.store.read() as reader:
        found = reader.find(Run, order="-finished", limit=1, **where)
    before = sources_of(bench, found[0]) if found else {}
    if not before:
        return ""
    now = sources(folder, targets_of(node for node in graph.nodes if node.name == node_of(step)))
    gone = before.keys() - sources(folder, targets_of(graph.nodes)).keys()
    return patch({path: text for path, text in before.items() if path in now or path in gone}, now)


def _kept(bench: Workbench, digest: str) -> dict[str, str]:
    with suppress(NotFound, Corrupt):
        return msgspec.json.decode(bench.blobs.get(digest), type=dict[str, str])
    return {}
