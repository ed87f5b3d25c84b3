"""How the values of feature views are computed: by runs, in workers of a release that has the view."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from msgspec.structs import replace

from penstock.builds.types import Release
from penstock.core.errors import NotFound, PenstockError
from penstock.datasets.listing import listing
from penstock.datasets.types import Events
from penstock.deployments.environments import Environments
from penstock.features.ports import Computed, Start
from penstock.features.types import Placed, online_id
from penstock.lineage.ports import Blobs, Reader, Store, Transaction
from penstock.models.types import Version
from penstock.pipelines.features import features_graph, views_in
from penstock.pipelines.types import Graph
from penstock.runs.service import Runs
from penstock.runs.types import Run, StepRun, Workspace
from penstock.runs.views import ACTIVE

Readers = Callable[[Reader], Iterable[tuple[str, Version]]]


class FeatureRuns:
    """The `Work` of the feature store. A view is deployed where a pipeline of the release trains on it.
    Needed, too, is one that a version of a model was trained on that answers there, or may soon.
    """

    def __init__(
        self,
        store: Store,
        blobs: Blobs,
        runs: Runs,
        workspace_of: Callable[[Release, str], Workspace],
        readers: Readers,
    ) -> None:
        """`readers` gives the versions of models that read features online, with the environment of each."""
        self._store = store
        self._environments = Environments(blobs)
        self._runs = runs
        self._workspace_of = workspace_of
        self._readers = readers
        self._releases: dict[str, Release] = {}
        self._made_by: dict[str, str] = {}

    def views(self, reader: Reader) -> list[Placed]:
        """See `Work`. What a release has counts only where one is deployed still."""
        held = self._environments.held(reader)
        needed = {
            placed.id: placed
            for each in held
            for placed in _placed(each.release, each.deployment.environment, deployed=True)
        }
        places = {(each.release.project, each.deployment.environment) for each in held}
        for environment, version in self._readers(reader):
            if (version.project, environment) in places:
                self._add(reader, version, environment, needed)
        return list(needed.values())

    def _add(self, reader: Reader, version: Version, environment: str, needed: dict[str, Placed]) -> None:
        """Add what a version was trained on."""
        ids = [online_id(version.project, environment, v.name, v.version) for v in version.origins.views]
        if not all(name in needed for name in ids):
            trained = self._trained(reader, version, environment)
            needed |= {
                placed.id: placed for placed in trained if placed.id in ids and placed.id not in needed
            }
        for name in ids:
            if name in needed and version.id not in needed[name].readers:
                needed[name] = replace(needed[name], readers=(*needed[name].readers, version.id))

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
        """See `Work`. Raises NotFound when nothing is deployed there any more."""
        name = placed.view.name
        with self._store.read() as reader:
            held = self._environments.find(reader, placed.project, placed.environment)
            release = self._release(reader, placed.release)
        if held is None:
            raise NotFound(what=f"{name} is no longer in {placed.environment}.")
        drawn = next(graph for graph in release.graphs if placed.version in _versions(graph, name))
        graph = features_graph(drawn, name)
        self._runs.check(graph)
        workspace = self._workspace_of(release, placed.environment)

        def start(tx: Transaction, actor: str) -> str:
            return self._runs.submit(
                project=placed.project,
                pipeline=graph.pipeline,
                environment=placed.environment,
                graph=graph,
                workspace=workspace,
                params={},
                release=release.id,
                actor=actor,
                cause=held.deployment.event,
                tx=tx,
            ).id

        return start

    def outcome(self, run: str) -> Computed | None:
        """See `Work`."""
        with self._store.read() as reader:
            found = reader.get(Run, run)
            if found.status in ACTIVE:
                return None
            if found.status == "succeeded":
                return Computed(as_of=found.as_of, table=_table(reader, found))
            return Computed(as_of=found.as_of, error=f"run {run} {found.status}: {found.error}")

    def _release(self, reader: Reader, key: str) -> Release:
        if key not in self._releases:
            self._releases[key] = reader.get(Release, key)
        return self._releases[key]

    def _trained(self, reader: Reader, version: Version, environment: str) -> list[Placed]:
        """The views of the release that trained a version, none where no release did."""
        if version.run not in self._made_by:
            [release] = reader.pick(Run, ("release",), id=version.run) or [("",)]
            self._made_by[version.run] = release[0]
        made_by = self._made_by[version.run]
        return _placed(self._release(reader, made_by), environment, deployed=False) if made_by else []


def _placed(release: Release, environment: str, *, deployed: bool) -> list[Placed]:
    found = [
        Placed(
            project=release.project,
            environment=environment,
            view=drawn.view,
            version=drawn.version,
            release=release.id,
            deployed=deployed,
        )
        for graph in release.graphs
        for drawn in views_in(graph).values()
    ]
    return list({placed.id: placed for placed in found}.values())


def _versions(graph: Graph, view: str) -> list[str]:
    return [drawn.version for name, drawn in views_in(graph).items() if name == view]


def _table(reader: Reader, run: Run) -> str:
    [made] = [node.name for node in run.graph.nodes if node.kind == "features"]
    return reader.get(StepRun, f"{run.id}/{made}").outputs["rows"].digest
