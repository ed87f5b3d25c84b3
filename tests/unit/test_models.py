from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from penstock.core.errors import Conflict, NotFound
from penstock.core.events import Event
from penstock.datasets.types import Profile, Snapshot
from penstock.deployments.decide import Facts, judge
from penstock.models.service import Models
from penstock.models.types import Model, Placement, RoleChange, Signature, Version
from penstock.pipelines.types import Candidate, Graph, Node
from penstock.revisions.config import ModelConfig
from penstock.revisions.types import Approval, Revision
from penstock.runs.types import Artifact, Run, StepRun, Workspace
from penstock.testing.fakes import FixedClock, MemoryBlobs, MemoryStore

MARCH = datetime(2013, 3, 1, tzinfo=UTC)
GRAPH = Graph(
    pipeline="train",
    target="flights.pipeline:train",
    nodes=(Node(name="flights.snapshot", kind="snapshot"), Node(name="publish", kind="publish")),
)
SNAPSHOT = Snapshot(
    id="s1",
    source="flights",
    as_of=MARCH,
    first=MARCH - timedelta(days=60),
    last=MARCH,
    rows=5000,
    quarantined=2,
    columns=(),
    digest="5" * 64,
)


class Registry:
    """A registry in memory and the runs that reach it."""

    def __init__(self, pickled_because: str = "", *, pickles: bool = True) -> None:
        declared = ModelConfig(gate=(), unsafe_pickle=pickled_because)
        self.store = MemoryStore()
        self.blobs = MemoryBlobs()
        self.clock = FixedClock(MARCH)
        self.models = Models(
            self.store,
            self.blobs,
            self.clock,
            registers=lambda _project, environment: environment in {"development", "production"},
            commit_of=lambda release: "c" * 40 if release else "",
            declared=lambda release, _environment, _model: declared if release else None,
            pickles=pickles,
        )

    def tick(self) -> bool:
        return self.models.tick(self.clock.now())

    def run(self, environment: str = "production", project: str = "flights", **changes: Any) -> Run:
        """A run that published the model `delay` has succeeded."""
        artifact = self.blobs.put(b"model")
        candidate = Candidate(
            model="delay",
            format="onnx",
            artifact=artifact,
            size=5,
            signature=msgspec.to_builtins(Signature(task="binary", inputs=(), classes=("0", "1"))),
            metrics={"roc_auc": 0.7},
            profile=msgspec.to_builtins(Profile(rows=4900, columns=())),
            examples="e" * 64,
            holdout="a" * 64,
            label="late",
            parity={"different": 0.0},
        )
        stored = self.blobs.put(msgspec.json.encode(msgspec.structs.replace(candidate, **changes)))
        read = Artifact(
            digest="5" * 64, format="arrow", size=1, meta={"snapshot": msgspec.to_builtins(SNAPSHOT)}
        )
        told = Artifact(digest=stored, format="json", size=1)
        with self.store.begin() as tx:
            run = Run(
                id=tx.mint(Run),
                project=project,
                pipeline="train",
                environment=environment,
                release="r1" if environment != "development" else "",
                firing="",
                graph=GRAPH,
                params={"learning_rate": 0.1},
                workspace=Workspace(python="python", folder=".", data_root=".", lock=""),
                as_of=self.clock.now(),
                created=self.clock.now(),
                status="succeeded",
                actor="ada",
            )
            tx.add(run)
            tx.add(
                StepRun(
                    id=f"{run.id}/flights.snapshot",
                    run=run.id,
                    name="flights.snapshot",
                    outputs={"rows": read},
                )
            )
            tx.add(StepRun(id=f"{run.id}/publish", run=run.id, name="publish", outputs={"candidate": told}))
            tx.publish(
                Event(kind="run.succeeded", subject=f"run:{run.id}", time=self.clock.now(), project=project)
            )
        return run

    def versions(self) -> list[Version]:
        with self.store.read() as reader:
            return reader.find(Version)

    def place(self, number: int, role: Any, environment: str = "production") -> Placement:
        with self.store.begin() as tx:
            version = tx.get(Version, f"delay@{number}")
            return self.models.place(tx, version, environment, role, actor="ops", why="because", cause=None)


@pytest.fixture
def registry() -> Registry:
    return Registry()


def test_a_succeeded_run_becomes_a_version_with_every_field_of_the_registry(registry: Registry) -> None:
    with registry.store.begin() as tx:
        revision = Revision(
            id=f"flights:{'c' * 40}",
            project="flights",
            commit="c" * 40,
            branch="main",
            author="Ada",
            message="Learn",
            seen=MARCH,
            event=0,
        )
        approval = Approval(
            id=f"flights:{'c' * 40}:bob", project="flights", commit="c" * 40, actor="bob", time=MARCH, event=0
        )
        tx.add(revision, approval)
    run = registry.run()
    assert registry.tick()
    [version] = registry.versions()
    assert (version.id, version.number, version.added, version.run) == ("delay@1", 1, MARCH, run.id)
    assert version.location == registry.blobs.where(version.artifact)
    assert version.metrics == {"roc_auc": 0.7}
    assert version.training["rows"] == 4900
    assert version.training["snapshots"][0]["digest"] == "5" * 64
    assert version.training["snapshots"][0]["rows"] == 5000
    assert version.governance["author"] == "Ada"
    assert version.governance["approvals"] == ["bob"]
    assert version.governance["commit"] == "c" * 40
    assert version.metadata["params"] == {"learning_rate": 0.1}
    with registry.store.read() as reader:
        event = reader.events(kind="version.registered")[0]
        assert reader.get(Model, "delay").project == "flights"
        assert event.cause == reader.events(kind="run.succeeded")[0].id
    assert event.id == version.event


def test_each_run_is_registered_once_and_in_order(registry: Registry) -> None:
    registry.run()
    registry.run()
    assert registry.tick()
    assert not registry.tick()
    registry.run()
    assert registry.tick()
    assert [version.id for version in registry.versions()] == ["delay@1", "delay@2", "delay@3"]


def test_a_run_where_models_do_not_serve_is_a_rehearsal(registry: Registry) -> None:
    registry.run(environment="staging")
    assert not registry.tick()
    assert registry.versions() == []


def test_a_candidate_that_is_gone_is_told_and_holds_nothing_up(registry: Registry) -> None:
    run = registry.run()
    with registry.store.begin() as tx:
        missing = Artifact(digest="9" * 64, format="json", size=1)
        step = tx.get(StepRun, f"{run.id}/publish")
        tx.put(msgspec.structs.replace(step, outputs={"candidate": missing}))
    registry.run()
    registry.tick()
    assert [version.id for version in registry.versions()] == ["delay@1"]
    with registry.store.read() as reader:
        assert [event.subject for event in reader.events(kind="version.refused")] == [f"run:{run.id}"]


def test_a_model_of_another_project_is_refused(registry: Registry) -> None:
    registry.run()
    registry.run(project="trains")
    registry.tick()
    assert [version.project for version in registry.versions()] == ["flights"]
    with registry.store.read() as reader:
        [refused] = reader.events(kind="version.refused")
    assert "belongs to the project flights" in refused.evidence["error"]


def test_the_stage_follows_from_the_placements(registry: Registry) -> None:
    registry.run()
    registry.tick()
    [version] = registry.versions()
    assert registry.models.stage(version) == "development"
    registry.place(1, "candidate")
    assert registry.models.stage(version) == "staging"
    registry.place(1, "champion")
    assert registry.models.stage(version) == "production"
    registry.place(1, "previous")
    assert registry.models.stage(version) == "archived"


def test_there_is_one_champion_at_a_time(registry: Registry) -> None:
    registry.run()
    registry.run()
    registry.tick()
    registry.place(1, "champion")
    with pytest.raises(Conflict, match="production has a champion of delay already: found version 1"):
        registry.place(2, "champion")
    champion = registry.models.champion("delay", "production")
    assert champion is not None
    assert champion.number == 1
    assert registry.models.placed("delay", "production").number == 1


def test_the_history_answers_what_was_champion_when(registry: Registry) -> None:
    registry.run()
    registry.run()
    registry.tick()
    assert registry.models.champion_at("delay", "production", MARCH) is None
    registry.place(1, "champion")
    registry.clock.advance(timedelta(days=30))
    registry.place(1, "previous")
    registry.place(2, "champion")
    registry.clock.advance(timedelta(days=30))
    registry.place(2, "retired")
    asked = [MARCH - timedelta(1), MARCH, MARCH + timedelta(29), MARCH + timedelta(30), MARCH + timedelta(60)]
    found = [registry.models.champion_at("delay", "production", time) for time in asked]
    assert [version and version.number for version in found] == [None, 1, 1, 2, None]
    with registry.store.read() as reader:
        assert registry.models.history("delay") == reader.find(RoleChange)


@pytest.mark.parametrize(("ref", "number"), [("delay", 2), ("delay@1", 1), ("delay@production", 1)])
def test_a_version_is_found_by_reference(registry: Registry, ref: str, number: int) -> None:
    registry.run()
    registry.run()
    registry.tick()
    registry.place(1, "champion")
    shown = registry.models.show(ref)
    assert (shown.model.id, shown.version.number) == ("delay", number)
    assert shown.stage == ("production" if number == 1 else "development")


@pytest.mark.parametrize("ref", ["dely", "delay@7", "delay@staging"])
def test_what_is_not_there_is_not_found(registry: Registry, ref: str) -> None:
    registry.run()
    registry.tick()
    with pytest.raises(NotFound):
        registry.models.show(ref)


def test_a_pickle_is_a_version_where_penstock_toml_says_why_and_programs_are_not_isolated() -> None:
    for registry, sentence in (
        (Registry(), r"expected \[models.delay\] with unsafe_pickle = REASON"),
        (Registry("no library knows it", pickles=False), "programs of projects are isolated here"),
    ):
        registry.run(format="unsafe_pickle")
        registry.tick()
        with registry.store.read() as reader:
            [refused] = reader.events(kind="version.refused")
        assert re.search(sentence, refused.evidence["error"])
        registry.run("development", format="unsafe_pickle")  # of no release: it is never served
        registry.tick()
        assert [version.governance["unsafe_pickle"][:19] for version in registry.versions()] == [
            "it was made in a fo"
        ]
    registry = Registry("no library knows it")
    registry.run(format="unsafe_pickle")
    registry.tick()
    [version] = registry.versions()
    assert version.governance["unsafe_pickle"] == "no library knows it"
    assert version.metadata["code"] == ""
    [verdict, *_] = judge(("contract",), "delay", Facts(recorded={}, pickled="no library knows it"))
    assert (verdict.check, verdict.passed) == ("unsafe_pickle", True)
    assert verdict.why.endswith("penstock.toml allows it: no library knows it")
