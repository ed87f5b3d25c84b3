"""The executors, and that it does not matter to a pipeline which one of them runs it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import uv

from penstock.adapters.blobs.folder import FolderBlobs
from penstock.adapters.executors.choice import open_executor
from penstock.adapters.executors.inline import InlineExecutor
from penstock.adapters.executors.pool import WorkerPool
from penstock.app.local import run_target
from penstock.app.workbench import open_workbench
from penstock.runs.ports import Executor
from penstock.runs.types import Workspace
from penstock.testing.contracts.executor import (
    ExecutorContract,
    ForcefulExecutorContract,
    gathered,
    only,
    task,
)

VALUES = """
import numpy as np, polars as pl
from penstock import Metrics, each, feature_view, files, pipeline, step, training_rows

visits = files("visits.csv", event_time="at", key="id")
flat = files("visits.csv", name="flat")

@feature_view(entity="shop", source=visits, ttl="3h")
def newest(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.select("shop", "at", people="n", word=pl.col("n").cast(pl.String))

@feature_view(entity="shop", source=visits, aggregates={"sum": "sum(n) over 2h"})
def lately(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows

@step
def table(rows: int) -> pl.DataFrame:
    made = pl.DataFrame({"x": np.random.default_rng(7).normal(size=rows)})
    return made.with_columns(late=pl.col("x") > 0.2)

@step
def array(table: pl.DataFrame) -> np.ndarray:
    return table["x"].to_numpy() * 2

@step
def parts(table: pl.DataFrame) -> list[int]:
    return [table.height, 2, 3]

@step
def twice(part: int) -> int:
    return 2 * part

@step
def agree(train: pl.DataFrame, holdout: pl.DataFrame, parts: pl.LazyFrame) -> None:
    assert parts.collect().equals(train)
    assert holdout.height == round(0.2 * (train.height + holdout.height))

@step
def fit(
    table: pl.DataFrame, array: np.ndarray, sizes: list[int], train: pl.DataFrame, parts: pl.LazyFrame
) -> Metrics:
    assert parts.collect().equals(train)
    slope, start = np.polyfit(array, table["late"].to_numpy(), 1)
    return Metrics(slope=slope, start=start, rows=sum(sizes), people=train["people"].sum())

@pipeline
def values(rows: int = 1000):
    made = table(rows)
    rows = training_rows(visits, [newest, lately], label="n", holdout="2h")
    same = training_rows(visits, [newest, lately], label="n", holdout="2h", partitions=3)
    once, parted = (training_rows(flat, label="n", partitions=number) for number in (1, 3))
    agree(once.train, once.holdout, parted.train)
    return fit(made, array(made), each(twice, part=parts(made)), rows.train, same.train)
"""
LOCKED = """
[project]
name = "locked"
version = "1.0"
requires-python = ">=3.11"
dependencies = []
[tool.uv]
package = false
"""
PREFIX = """
import sys
from penstock import step

@step
def prefix() -> str:
    return sys.prefix
"""


class TestInline(ExecutorContract):
    @pytest.fixture
    def logs(self, tmp_path: Path) -> Path:
        return tmp_path / "logs"

    @pytest.fixture
    def executor(self, tmp_path: Path, logs: Path) -> InlineExecutor:
        return InlineExecutor(logs=logs, blobs=FolderBlobs(tmp_path / "blobs"), size=2)


class TestLocal(ForcefulExecutorContract):
    @pytest.fixture
    def logs(self, tmp_path: Path) -> Path:
        return tmp_path / "logs"

    @pytest.fixture
    def executor(self, tmp_path: Path, logs: Path) -> Iterator[WorkerPool]:
        pool = WorkerPool(size=2, logs=logs, blobs=tmp_path / "blobs")
        yield pool
        pool.close()


class TestRay(ForcefulExecutorContract):
    @pytest.fixture(scope="class")
    @classmethod
    def logs(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        return tmp_path_factory.mktemp("logs")

    @pytest.fixture(scope="class")
    @classmethod
    def executor(
        cls, ray_address: str, tmp_path_factory: pytest.TempPathFactory, logs: Path
    ) -> Iterator[Executor]:
        found = open_executor(ray_address, logs=logs, blobs=tmp_path_factory.mktemp("home") / "blobs")
        yield found
        found.close()


def test_a_pipeline_gives_the_same_bytes_wherever_it_runs(tmp_path: Path, ray_address: str) -> None:
    """Its tables, arrays, lists, numbers, features and training rows, each run with an empty cache."""
    (tmp_path / "valued").mkdir()
    (tmp_path / "valued" / "__init__.py").touch()
    (tmp_path / "valued" / "work.py").write_text(VALUES)
    rows = [f"{number},{'abc'[number % 3]},2024-01-01T{number:02}:00:00Z,{number}" for number in range(20)]
    (tmp_path / "visits.csv").write_text("\n".join(["id,shop,at,n", *rows]))
    given: dict[str, dict[str, dict[str, str]]] = {}
    for on in ("inline", "local", ray_address):
        with open_workbench(tmp_path / f".home-{len(given)}", on=on) as bench:
            run = run_target(bench, "valued.work:values", tmp_path, {}, lambda *_: None)
            assert run.status == "succeeded", run.error
            _, steps = bench.runs.seen(run.id)
            given[on] = {
                step.name: {name: found.digest for name, found in step.outputs.items()} for step in steps
            }
    assert given["inline"] == given["local"] == given[ray_address]
    assert len(given["inline"]) == 26
    for one, parted in (("rows", "rows-2"), ("rows-3", "rows-4")):
        whole, parts = given["inline"][one], given["inline"][parted]
        assert (whole["holdout"], whole["schema"]) == (parts["holdout"], parts["schema"])


def test_an_environment_is_made_once_on_a_node_from_the_lock_of_the_project(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, ray_address: str
) -> None:
    (tmp_path / "contracted").mkdir()
    (tmp_path / "contracted" / "__init__.py").touch()
    (tmp_path / "contracted" / "steps.py").write_text(PREFIX)
    (tmp_path / "pyproject.toml").write_text(LOCKED)
    subprocess.run([uv.find_uv_bin(), "lock", "--quiet"], cwd=tmp_path, check=True)
    workspace = Workspace(
        python=sys.executable, folder=str(tmp_path), data_root=str(tmp_path), lock="of no account here"
    )
    home = tmp_path_factory.mktemp("home")
    blobs = FolderBlobs(home / "blobs")
    executor = open_executor(ray_address, logs=home / "logs", blobs=home / "blobs")
    try:
        for run in ("1", "2"):
            executor.start(task(workspace, "prefix", run=run))
        prefixes = {
            msgspec.json.decode(blobs.get(outcome.outputs["result"].digest))
            for outcome in gathered(executor, 2)
        }
        assert len(prefixes) == 1, "two processes of a node, one environment"
        (place,) = map(Path, prefixes)
        assert [each.name for each in place.parent.iterdir()] == [place.name]
        assert place.parent.name == "envs"
        (tmp_path / "uv.lock").write_text("this is no lock")
        executor.start(task(workspace, "prefix"))
        assert only(executor).error.startswith("The environment cannot be made from uv.lock: found ")
    finally:
        executor.close()


def test_a_node_that_does_not_see_the_blobs_says_so(
    tmp_path: Path, ray_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = Workspace(python=sys.executable, folder=str(tmp_path), data_root=str(tmp_path), lock="")
    executor = open_executor(ray_address, logs=tmp_path / "logs", blobs=tmp_path / "home" / "blobs")
    try:
        put = FolderBlobs.put

        def put_elsewhere(blobs: FolderBlobs, data: bytes) -> str:
            digest = put(blobs, data)
            shutil.rmtree(tmp_path / "home" / "blobs")
            return digest

        monkeypatch.setattr(FolderBlobs, "put", put_elsewhere)
        executor.start(task(workspace, "numbers", values={"count": 1}))
        error = only(executor).error
        assert f" does not see the blobs in {tmp_path / 'home' / 'blobs'}. Mount that folder there" in error
    finally:
        executor.close()
