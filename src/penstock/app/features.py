"""How the values of feature views are computed: by runs, in workers of the environment's release."""

from __future__ import annotations

from collections.abc import Callable

from penstock.builds.types import Release
from penstock.core.errors import NotFound, PenstockError
from penstock.datasets.listing import listing
from penstock.datasets.types import Events
from penstock.deployments.environments import Environments, Held
from penstock.features.ports import Computed, Start
from penstock.features.types import Placed
from penstock.lineage.ports import Blobs, Reader, Store, Transaction
from penstock.pipelines.features import features_graph, views_in
from penstock.pipelines.types import Graph
from penstock.runs.service import Runs
from penstock.runs.types import Run, StepRun, Workspace
from penstock.runs.views import ACTIVE


class FeatureRuns:
    """The `Work` of the feature store. A view is deployed where a pipeline of the release trains on it."""

    def __init__(
        self, store: Store, blobs: Blobs, runs: Runs, workspace_of: Callable[[Release, str], Workspace]
    ) -> None:
        self._store = store
        self._environments = Environments(blobs)
        self._runs = runs
        self._workspace_of = workspace_of

    def views(self) -> list[Placed]:
        """See `Work`."""
        with self._store.read() as reader:
            return [placed for held in self._environments.held(reader) for placed in _placed(held)]

    def waits(self, placed: Placed) -> bool:
        """See `Work`."""
        source = placed.view.source
        if not isinstance(source.kind, Events):
            return False
        with self._store.read() as reader:
            held = self._environments.find(reader, placed.project, placed.environment)
            if held is None:
                return False
            root = self._environments.data_root(reader, held)
        try:
            listing(source, root)
        except PenstockError as error:  # of any other the run tells
            return isinstance(error, NotFound)
        return False

    def ready(self, placed: Placed) -> Start:
        """See `Work`. Raises NotFound when the view is no longer deployed."""
        with self._store.read() as reader:
            held = self._environments.find(reader, placed.project, placed.environment)
        graphs = (
            [graph for graph in held.release.graphs if placed.view.name in views_in(graph)] if held else []
        )
        if held is None or not graphs:
            raise NotFound(what=f"{placed.view.name} is no longer in {placed.environment}.")
        graph = features_graph(graphs[0], placed.view.name)
        self._runs.check(graph)
        return self._start(held, graph, self._workspace_of(held.release, placed.environment))

    def outcome(self, run: str) -> Computed | None:
        """See `Work`."""
        with self._store.read() as reader:
            found = reader.get(Run, run)
            if found.status in ACTIVE:
                return None
            if found.status == "succeeded":
                return Computed(as_of=found.as_of, table=_table(reader, found))
            return Computed(as_of=found.as_of, error=f"run {run} {found.status}: {found.error}")

    def _start(self, held: Held, graph: Graph, workspace: Workspace) -> Start:
        def start(tx: Transaction, actor: str) -> str:
            return self._runs.submit(
                project=held.release.project,
                pipeline=graph.pipeline,
                environment=held.deployment.environment,
                graph=graph,
                workspace=workspace,
                params={},
                release=held.release.id,
                actor=actor,
                cause=held.deployment.event,
                tx=tx,
            ).id

        return start


def _placed(held: Held) -> list[Placed]:
    views = {name: view for graph in held.release.graphs for name, (view, _) in views_in(graph).items()}
    return [
        Placed(project=held.release.project, environment=held.deployment.environment, view=view)
        for view in views.values()
    ]


def _table(reader: Reader, run: Run) -> str:
    [made] = [node.name for node in run.graph.nodes if node.kind == "features"]
    return reader.get(StepRun, f"{run.id}/{made}").outputs["rows"].digest
