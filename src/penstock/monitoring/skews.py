"""The verbs of skew: once a day is over, what answers read online is held against what training reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import polars as pl
from msgspec.structs import replace

from penstock.builds.types import Release
from penstock.checks.shares import parse_share
from penstock.core.clock import midnight
from penstock.core.errors import Busy, PenstockError
from penstock.core.events import Event
from penstock.datasets.tables import write_table
from penstock.deployments.environments import Environments
from penstock.features.skew import Fill, lag_of, to_compare
from penstock.features.types import ColumnSkew, OnlineView, online_id
from penstock.lineage.cursors import move, position_of
from penstock.lineage.ports import Between, Blobs, Reader, Store, Transaction
from penstock.models.types import Version
from penstock.monitoring.types import Skew, Window
from penstock.pipelines.features import skew_graph, views_in
from penstock.revisions.config import SKEW, ModelConfig
from penstock.runs.service import Runs
from penstock.runs.types import Run, StepRun, Workspace
from penstock.runs.views import ACTIVE
from penstock.serving.ports import PredictionLog

FILLS = 5_000
"""Newest materialisations of a view that are looked through for those of a day."""
_CURSOR = "skews:begun"


class _Ready(msgspec.Struct, frozen=True):
    """A comparison that can begin: what it is about, and how its run is started, None where it cannot be."""

    skew: Skew
    start: Callable[[Transaction], str] | None = None


class Skews:
    """Holds what champions read online in a day against what the releases that trained them make of sources.

    The comparison is a run: a view is a project's code, and this process runs none.
    """

    def __init__(
        self,
        store: Store,
        blobs: Blobs,
        log: PredictionLog,
        runs: Runs,
        *,
        workspace_of: Callable[[Release, str], Workspace],
    ) -> None:
        self._store = store
        self._blobs = blobs
        self._log = log
        self._runs = runs
        self._workspace_of = workspace_of
        self._environments = Environments(blobs)

    def tick(self, now: datetime) -> bool:
        """Begin to compare the days that ended since the last call, and take in what has been compared."""
        return self._begin(now) | self._finish(now)

    def _begin(self, now: datetime) -> bool:
        today = midnight(now)
        boundary = int(today.timestamp())
        with self._store.read() as reader:
            begun = position_of(reader, _CURSOR)
            if begun >= boundary:
                return False
            days = Between(datetime.fromtimestamp(begun, UTC), today)
            windows = reader.find(Window, start=days, variant="champion", order="start")
            ready = [each for window in windows if window.lookups for each in self._ready(reader, window)]
        with self._store.begin() as tx:
            if position_of(tx, _CURSOR) != begun:  # another has begun them meanwhile
                return False
            for each in ready:
                _started(tx, each, now)
            move(tx, _CURSOR, boundary)
        return bool(ready)

    def _ready(self, reader: Reader, window: Window) -> Iterator[_Ready]:
        """The comparisons of a window: one for each view that its answers read online."""
        version = reader.get(Version, f"{window.model}@{window.version}")
        declared = self._declared(reader, version.project, window.environment, window.model)
        redacted = version.origins.personal.union(declared.redact)
        answers = (
            self._log.table(window.model, window.environment, window.start.date(), window.end.date())
            .filter(pl.col("version") == window.version, pl.col("variant") == window.variant)
            .drop([f"{part}.{name}" for part in ("input", "key") for name in redacted], strict=False)
        )
        for view in version.origins.views:
            read_as = online_id(version.project, window.environment, view.name, view.version)
            fills = _fills(reader, read_as)
            read = to_compare(view, answers, fills)
            if not read.is_empty():
                yield self._comparison(reader, window, version, view, read)

    def _comparison(
        self, reader: Reader, window: Window, version: Version, view: OnlineView, read: pl.DataFrame
    ) -> _Ready:
        skew = Skew(
            id=f"{window.id}:{view.name}",
            window=window.id,
            project=version.project,
            environment=window.environment,
            model=window.model,
            version=window.version,
            view=view.name,
            start=window.start,
            end=window.end,
            lookups=window.lookups,
            rows=read.height,
            lag=lag_of(read),
        )
        features = [name for name in view.features if f"input.{name}" in read.columns]
        if not features:
            return _Ready(replace(skew, unsaid="all of its features are redacted"))
        run = reader.get(Run, version.run)
        if not run.release or view.name not in views_in(run.graph):
            return _Ready(replace(skew, unsaid=f"no release made version {version.number}"))
        with self._blobs.writing() as file:
            write_table(read, file)
        graph = skew_graph(run.graph, view.name, file.digest, features)
        try:
            workspace = self._workspace_of(reader.get(Release, run.release), window.environment)
        except Busy:
            raise
        except PenstockError as error:
            return _Ready(replace(skew, unsaid=str(error)))

        def start(tx: Transaction) -> str:
            return self._runs.submit(
                project=version.project,
                pipeline=graph.pipeline,
                environment=window.environment,
                graph=graph,
                workspace=workspace,
                params={},
                release=run.release,
                cause=version.event or None,
                tx=tx,
            ).id

        return _Ready(skew, start)

    def _finish(self, now: datetime) -> bool:
        """Take in what runs have found."""
        with self._store.read() as reader:
            ended = [
                (skew, run)
                for skew in reader.find(Skew, measured=None)
                for run in reader.find(Run, id=skew.run)
                if run.status not in ACTIVE
            ]
            found = [self._measured(reader, skew, run, now) for skew, run in ended]
        if not found:
            return False
        with self._store.begin() as tx:
            for skew in found:
                if tx.get(Skew, skew.id).measured is None:
                    _keep(tx, skew, now)
        return True

    def _measured(self, reader: Reader, skew: Skew, run: Run, now: datetime) -> Skew:
        if run.status != "succeeded":
            return replace(skew, measured=now, unsaid=f"run {run.id} {run.status}: {run.error}")
        [step] = [node.name for node in run.graph.nodes if node.kind == "skew"]
        made = reader.get(StepRun, f"{run.id}/{step}").outputs["skew"]
        columns = msgspec.json.decode(self._blobs.get(made.digest), type=tuple[ColumnSkew, ...])
        shares = [(each.differs / each.rows, each.stale / each.rows) for each in columns if each.rows]
        worst, stale = (max(each) for each in zip(*shares, strict=True)) if shares else (0.0, 0.0)
        facts = {"skew": worst, "stale": stale}
        declared = self._declared(reader, skew.project, skew.environment, skew.model)
        asked = [parse_share(text, SKEW).evaluate(facts) for text in declared.skew]
        failed = tuple(answer.why for answer in asked if not answer.passed)
        return replace(skew, measured=now, columns=columns, skew=worst, stale=stale, failed=failed)

    def _declared(self, reader: Reader, project: str, environment: str, model: str) -> ModelConfig:
        """What is declared of the model in the environment."""
        held = self._environments.find(reader, project, environment)
        return (held.config.models.get(model) if held else None) or ModelConfig(gate=())


def _started(tx: Transaction, ready: _Ready, now: datetime) -> None:
    skew = ready.skew
    if ready.start:
        try:
            skew = replace(skew, run=ready.start(tx))
        except PenstockError as error:
            skew = replace(skew, unsaid=str(error))
    tx.add(skew)
    if skew.unsaid:
        _keep(tx, replace(skew, measured=now), now)


def _keep(tx: Transaction, skew: Skew, now: datetime) -> None:
    """Keep what was found, and tell of it; where checks fail, of that too."""
    evidence: dict[str, Any] = {
        "environment": skew.environment,
        "version": skew.version,
        "rows": skew.rows,
        "skew": skew.skew,
        "stale": skew.stale,
        "unsaid": skew.unsaid,
    }
    event = Event(
        kind="skew.measured", subject=f"skew:{skew.id}", time=now, project=skew.project, evidence=evidence
    )
    [told] = tx.publish(event)
    if skew.failed:
        of = f"what version {skew.version} read of {skew.view} on {skew.start:%Y-%m-%d}"
        columns = {each.column: each.differs for each in skew.columns if each.differs or each.stale}
        more = {"why": f"{of}: {'; '.join(skew.failed)}", "columns": columns}
        tx.publish(replace(event, kind="skew.exceeded", evidence=evidence | more, cause=told))
    tx.put(replace(skew, event=told))


def _fills(reader: Reader, view: str) -> list[Fill]:
    """When the online values of a view were brought up to date, and as of when, the oldest first."""
    found = reader.events(kind="features.materialized", subject=f"features:{view}", limit=FILLS, last=True)
    return [
        Fill(msgspec.convert(event.evidence["as_of"], datetime, strict=False), event.time) for event in found
    ]
