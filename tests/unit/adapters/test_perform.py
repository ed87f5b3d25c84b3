"""The four kinds of nodes, done in this process as a worker does them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from penstock.adapters.blobs import FolderBlobs
from penstock.adapters.executors.perform import Measured, Outputs, prepare
from penstock.adapters.formats.values import read
from penstock.core.errors import StepFailed
from penstock.datasets.days import Days
from penstock.datasets.types import Snapshot
from penstock.lineage.ports import Blobs
from penstock.pipelines.loading import draw_target
from penstock.pipelines.types import Candidate, Graph, Node, Output
from penstock.runs.types import Artifact, Task, Workspace

PROJECT = """
import tempfile
from pathlib import Path
from typing import NamedTuple

import polars as pl
from sklearn.linear_model import LogisticRegression

from penstock import Metrics, feature_view, files, pipeline, publish, step, training_rows

trips = files("data/trips", event_time="at", key="id")
weather = files("data/weather", event_time="seen_at")

@feature_view(entity="place", source=weather)
def rain(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.select("place", "seen_at", "rain")

@step
def fit(rows: pl.DataFrame) -> LogisticRegression:
    return LogisticRegression().fit(rows.select("length", "rain"), rows["late"].to_numpy())

@step
def evaluate(model: LogisticRegression, holdout: pl.DataFrame) -> Metrics:
    return Metrics(accuracy=model.score(holdout.select("length", "rain"), holdout["late"].to_numpy()))

@pipeline
def train():
    rows = training_rows(trips, [rain], label="late", holdout="2d")
    model = fit(rows.train)
    return publish("late", model, evaluate(model, rows.holdout), inputs=rows.schema)

class Own(LogisticRegression):
    pass

@step(formats={"result": "unsafe_pickle"})
def own():
    return Own(C=3.0)

@step
def strength(model, folder) -> float:
    assert (folder / "note.txt").read_text() == "fine"
    return model.C

@step
def written():
    folder = Path(tempfile.mkdtemp()) / "notes"
    folder.mkdir()
    (folder / "note.txt").write_text("fine")
    return folder

@pipeline
def picky():
    strength(own(), written())

class Halves(NamedTuple):
    low: list[int]
    high: list[int]

@step(outputs=("low", "high"))
def halves(whole: bool = True):
    return Halves([1], [2]) if whole else [1]
"""
AS_OF = datetime(2013, 2, 1, tzinfo=UTC)


@pytest.fixture
def blobs(tmp_path: Path) -> FolderBlobs:
    return FolderBlobs(tmp_path / "blobs")


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    """A project with 10 days of hourly trips, and the rain at their place."""
    folder = tmp_path / "project"
    for name in ("performed", "data/trips", "data/weather"):
        (folder / name).mkdir(parents=True)
    (folder / "performed" / "__init__.py").write_text(PROJECT)
    hours = [f"2013-01-{day:02}T{hour:02}:00:00Z" for day in range(1, 11) for hour in range(24)]
    trips = [f"{n},{at},home,{n % 7},{n % 7 > 3:d}" for n, at in enumerate(hours)]
    (folder / "data/trips/all.csv").write_text("\n".join(["id,at,place,length,late", *trips]))
    rain = [f"{at},home,{n % 5}" for n, at in enumerate(hours)]
    (folder / "data/weather/all.csv").write_text("\n".join(["seen_at,place,rain", *rain]))
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield Workspace(python=sys.executable, folder=str(folder), data_root=str(folder), lock="")
    sys.modules.pop("performed", None)


class Line:
    """Does the nodes of a graph in their order, each as a task of its own."""

    def __init__(self, graph: Graph, workspace: Workspace, blobs: Blobs) -> None:
        self.workspace = workspace
        self.blobs = blobs
        self.outputs: dict[str, Outputs] = {}
        self.measured: dict[str, Measured] = {}
        for node in graph.nodes:
            inputs = {
                name: self.outputs[wire.node][wire.name]
                for name, wire in node.inputs.items()
                if isinstance(wire, Output)
            }
            done = prepare(task(node, workspace, inputs), blobs)()
            self.outputs[node.name], self.measured[node.name] = done

    def value(self, node: str, output: str = "result") -> Any:
        return read(self.outputs[node][output], self.blobs)


def task(
    node: Node,
    workspace: Workspace,
    inputs: dict[str, Artifact] | None = None,
    values: dict[str, Any] | None = None,
) -> Task:
    return Task(
        step_run=f"1/{node.name}",
        token=1,
        node=node,
        workspace=workspace,
        as_of=AS_OF,
        inputs=inputs or {},
        values=values or {},
    )


@pytest.fixture
def line(workspace: Workspace, blobs: FolderBlobs) -> Line:
    return Line(draw_target("performed:train", workspace.folder), workspace, blobs)


def test_a_pipeline_goes_from_files_to_a_candidate(line: Line, blobs: FolderBlobs) -> None:
    taken = msgspec.convert(line.outputs["trips.snapshot"]["rows"].meta["snapshot"], Snapshot)
    assert (taken.rows, taken.as_of) == (240, AS_OF)
    assert line.value("rows", "train").columns == ["id", "at", "place", "length", "late", "rain"]
    assert line.value("rows", "holdout").height == 48
    candidate = msgspec.convert(line.value("publish", "candidate"), Candidate)
    assert candidate.model == "late"
    assert candidate.holdout == line.outputs["rows"]["holdout"].digest
    assert candidate.snapshots == (taken.id, line.outputs["weather.snapshot"]["rows"].meta["snapshot"]["id"])
    assert candidate.profile["rows"] == 192
    days = msgspec.json.decode(blobs.get(candidate.days), type=Days)
    assert np.sum(days.counts["late"], axis=0).sum() == 240, "labels are watched as inputs are"


def test_what_is_published_and_what_metrics_a_step_returns_are_measured(line: Line) -> None:
    accuracy = line.value("evaluate")["accuracy"]
    assert line.measured["evaluate"] == line.measured["publish"] == [("accuracy", accuracy, 0)]


def test_a_step_with_several_outputs_must_return_them_all(workspace: Workspace, blobs: FolderBlobs) -> None:
    sys.path.insert(0, workspace.folder)
    node = Node(name="halves", kind="step", target="performed:halves", outputs=("low", "high"))
    outputs, _ = prepare(task(node, workspace), blobs)()
    assert read(outputs["high"], blobs) == [2]
    with pytest.raises(StepFailed, match="returned a list without the outputs low, high"):
        prepare(task(node, workspace, values={"whole": False}), blobs)()


def test_a_step_asks_for_a_pickle_by_name_and_takes_folders(workspace: Workspace, blobs: FolderBlobs) -> None:
    line = Line(draw_target("performed:picky", workspace.folder), workspace, blobs)
    assert line.outputs["own"]["result"].format == "unsafe_pickle"
    assert line.outputs["written"]["result"].format == "folder"
    assert line.value("strength") == 3.0
