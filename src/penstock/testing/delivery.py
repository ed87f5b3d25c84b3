"""A project on its way, in memory: what builds and training would have made, ready to be delivered."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
import polars as pl
from msgspec.structs import replace

from penstock.builds.types import Output, Release
from penstock.core.clock import Clock
from penstock.core.digests import digest_value
from penstock.core.events import Event
from penstock.datasets.profiles import profile
from penstock.datasets.types import Column
from penstock.lineage.ports import Blobs, Store
from penstock.models.types import Model, Placement, Signature, Version
from penstock.monitoring.types import Alarm, What
from penstock.pipelines.types import Graph, Node, Parameter
from penstock.revisions.types import Branch
from penstock.runs.types import Run

CONFIG = """
[project]
name = "flights"

[environments.test]
deploy = { on = "push", branch = "dev" }

[environments.staging]
deploy = { on = "merge", branch = "main", approvals = 1 }

[environments.production]
deploy = { on = "promote", after = "staging", successful_runs = 3 }

[[triggers]]
pipeline = "train"
environments = ["production"]
any = [
  { schedule = "0 3 * * *" },
  { worse = "roc_auc", by = 0.05, over = "7d", labels = 100 },
]
cooldown = "2d"

[models.delay]
gate = ["roc_auc >= 0.6", "roc_auc >= champion.roc_auc - 0.01", "contract"]
"""
GRAPH = Graph(
    pipeline="train",
    target="flights.pipeline:train",
    parameters=(Parameter(name="depth", type="int", default=3),),
    nodes=(Node(name="publish", kind="publish", outputs=("candidate",), settings={"model": "delay"}),),
)
SIGNATURE = Signature(
    task="binary",
    inputs=(Column(name="wind", dtype="float", nullable=True), Column(name="carrier", dtype="string")),
    classes=("False", "True"),
)


class Delivered:
    """Writes into a store what the parts before delivery would have: branches, releases, runs, versions."""

    project = "flights"

    def __init__(self, store: Store, blobs: Blobs, clock: Clock) -> None:
        self._store = store
        self._blobs = blobs
        self._clock = clock

    def release(
        self, commit: str, config: str = CONFIG, graph: Graph = GRAPH, outputs: tuple[Output, ...] = ()
    ) -> Release:
        """A green build of a commit has made a release."""
        with self._store.begin() as tx:
            key = digest_value([self.project, commit])
            number = tx.count(Release, project=self.project) + 1
            made = Release(
                id=key,
                number=number,
                project=self.project,
                commit=commit,
                build=str(number),
                created=self._clock.now(),
                wheel="",
                lock="",
                config=self._blobs.put(config.encode()),
                environment="",
                graphs=(graph,),
                outputs=outputs,
                event=tx.publish(self._event("release.made", f"release:{key}"))[0],
            )
            tx.add(made)
        return made

    def move(self, branch: str, commit: str, approvals: tuple[str, ...] = ()) -> Branch:
        """A branch points to a commit, by a push or a merge."""
        with self._store.begin() as tx:
            known = tx.find(Branch, id=f"{self.project}:{branch}")
            moved = Branch(
                id=f"{self.project}:{branch}",
                project=self.project,
                name=branch,
                commit=commit,
                moved=self._clock.now(),
                event=tx.publish(self._event("branch.moved", f"branch:{branch}"))[0],
                approvals=approvals,
            )
            (tx.put if known else tx.add)(moved)
        return moved

    def end(self, branch: str, *, merged: bool = False) -> None:
        """A branch is merged with its newest commit, or deleted."""
        with self._store.begin() as tx:
            known = tx.get(Branch, f"{self.project}:{branch}")
            kind = "branch.moved" if merged else "branch.deleted"
            [event] = tx.publish(self._event(kind, f"branch:{'main' if merged else branch}"))
            if merged:
                tx.put(replace(known, merged=event))
            else:
                tx.put(replace(known, deleted=self._clock.now(), event=event))

    def finish(self, status: str = "succeeded") -> list[Run]:
        """Every run that is queued or running ends so."""
        with self._store.begin() as tx:
            runs = tx.find(Run, status=("queued", "running"))
            tx.put(*(replace(run, status=status, finished=self._clock.now()) for run in runs))
        return runs

    def version(
        self,
        *,
        auc: float = 0.7,
        environment: str = "production",
        examples: Mapping[str, Any] | None = None,
        holdout: pl.DataFrame | None = None,
        author: str = "",
        expires: datetime | None = None,
    ) -> Version:
        """A run has trained the next version of `delay`, whose metrics it recorded."""
        rows = pl.DataFrame({"wind": [float(n % 10) for n in range(200)], "carrier": ["UA", "B6"] * 100})
        with self._store.begin() as tx:
            number = tx.count(Version, model="delay") + 1
            if number == 1:
                tx.add(Model(id="delay", project=self.project, created=self._clock.now()))
            key = f"delay@{number}"
            artifact = self._blobs.put(key.encode())
            made = Version(
                id=key,
                model="delay",
                number=number,
                project=self.project,
                environment=environment,
                run=str(number),
                added=self._clock.now(),
                format="onnx",
                artifact=artifact,
                location=self._blobs.where(artifact),
                size=1,
                signature=SIGNATURE,
                metrics={"roc_auc": auc},
                profile=profile(rows),
                examples=self._blobs.put(msgspec.json.encode(examples)) if examples else "",
                holdout=self._blobs.put(_arrow(holdout)) if holdout is not None else "",
                label="late",
                parity={},
                training={},
                governance={"author": author},
                expires=expires,
                event=tx.publish(self._event("version.registered", f"version:{key}"))[0],
            )
            tx.add(made)
        return made

    def lead(self, version: Version) -> Placement:
        """A version is champion where it was registered, and whoever was it before is the previous one."""
        with self._store.begin() as tx:
            before = tx.find(Placement, model=version.model, environment=version.environment, role="champion")
            tx.put(*(replace(one, role="previous") for one in before))
            placed = Placement(
                id=f"{version.environment}:{version.id}",
                environment=version.environment,
                project=self.project,
                model=version.model,
                number=version.number,
                role="champion",
                since=self._clock.now(),
                actor="penstock",
                why="",
                event=version.event,
            )
            tx.add(placed)
        return placed

    def alarm(self, environment: str = "production", what: What = "inputs", **other: Any) -> Alarm:
        """An alarm about version 1 of `delay` has just been raised; `other` are fields that are otherwise."""
        now = self._clock.now()
        with self._store.begin() as tx:
            number = tx.mint(Alarm)
            raised = Alarm(
                id=number,
                project=self.project,
                environment=environment,
                model="delay",
                version=1,
                what=what,
                raised=now,
                since=now,
                window="",
                last=now,
                windows=1,
                rows=100,
                chance=0.001,
                false_alarms="1 per 90d",
                columns=(),
                why="wind moved",
                event=tx.publish(self._event("alarm.raised", f"alarm:{number}"))[0],
            )
            raised = replace(raised, **other)
            tx.add(raised)
        return raised

    def _event(self, kind: str, subject: str) -> Event:
        return Event(kind=kind, subject=subject, time=self._clock.now(), project=self.project)


def _arrow(frame: pl.DataFrame) -> bytes:
    return frame.write_ipc(None, compression="uncompressed").getvalue()
