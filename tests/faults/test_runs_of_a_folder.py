"""Runs from a folder whose code, results and processes do not stay as they were."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest
from msgspec.structs import replace

from penstock.app import App, open_app
from penstock.app.local import retry_run, run_target
from penstock.core.errors import Conflict
from penstock.lineage.types import Lease
from penstock.runs.types import Run, StepRun

CODE = """
import resource
from pathlib import Path
import polars as pl
from penstock import pipeline, step

@step
def rewrite() -> int:
    file = Path(__file__)
    file.write_text(file.read_text().replace("'as drawn'", "'as changed'"))
    return 1

@step
def say(number: int) -> str:
    return 'as drawn'

@step
def swallow() -> bytes:
    return bytes(10**15)

@step(memory="150MB")
def repeat(times: int) -> pl.LazyFrame:
    return pl.concat([pl.scan_parquet("million.parquet")] * times)

@step(memory="150MB")
def add_up(rows: pl.LazyFrame) -> int:
    return rows.select(pl.col("n").sum()).collect(engine="streaming").item()

@step(memory="150MB")
def hold(times: int) -> pl.DataFrame:
    return repeat.__wrapped__(times).collect()

@step
def confined() -> pl.DataFrame:
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 100_000_000, resource.RLIM_INFINITY))
    return pl.select(n=pl.int_range(50_000_000))

@pipeline
def streamed(times: int):
    return add_up(repeat(times))

@pipeline
def held(times: int):
    return hold(times)

@pipeline
def walled():
    return confined()

@pipeline
def changes():
    return say(rewrite())

@pipeline
def says(number: int = 1):
    return say(number)

@pipeline
def too_large():
    return swallow()
"""


class Folder:
    """A project's folder with its home."""

    def __init__(self, app: App, folder: Path) -> None:
        self.app = app
        self.folder = folder
        self.code = folder / "unsteady" / "steps.py"
        self.code.parent.mkdir(parents=True)
        (self.code.parent / "__init__.py").touch()
        self.code.write_text(CODE)

    def run(self, pipeline: str, **params: Any) -> Run:
        return run_target(self.app, f"unsteady.steps:{pipeline}", self.folder, params, lambda *_: None)

    def retry(self, run: Run) -> Run:
        return retry_run(self.app, run.id, lambda *_: None)

    def step(self, run: Run, name: str) -> StepRun:
        with self.app.store.read() as reader:
            return reader.get(StepRun, f"{run.id}/{name}")

    def value(self, run: Run, name: str) -> Any:
        return msgspec.json.decode(self.app.blobs.get(self.step(run, name).outputs["result"].digest))


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Folder]:
    with open_app(tmp_path / "home") as app:
        yield Folder(app, tmp_path / "project")


def test_no_result_of_changed_code_is_kept_under_the_code_that_was_drawn(project: Folder) -> None:
    run = project.run("changes")
    assert run.error.startswith("say failed: The code of `say` was changed after its run had been drawn.")
    assert project.value(project.run("says"), "say") == "as changed"
    project.code.write_text(CODE)
    again = project.retry(run)
    assert (again.status, project.value(again, "say")) == ("succeeded", "as drawn")


def test_a_damaged_result_is_noticed_told_and_made_again(project: Folder) -> None:
    first = project.run("says")
    digest = project.step(first, "say").outputs["result"].digest
    damaged = Path(project.app.blobs.path(digest))
    damaged.chmod(0o644)
    damaged.write_bytes(b"'as drawX'")
    again = project.run("says")
    assert project.step(again, "say").why == f"ran because its result of run {first.id} is damaged"
    assert project.value(again, "say") == "as drawn"


def test_a_result_that_no_memory_holds_fails_its_step_alone(project: Folder) -> None:
    run = project.run("too_large")
    line = CODE[: CODE.index("10**15")].count("\n") + 1
    assert run.error == f"swallow failed: MemoryError (unsteady/steps.py, line {line})"
    assert project.run("says").status == "succeeded"


def test_a_lazy_table_larger_than_the_memory_of_its_steps_passes_between_them(project: Folder) -> None:
    pl.DataFrame({"n": range(1_000_000)}).write_parquet(project.folder / "million.parquet")
    run = project.run("streamed", times=40)
    assert run.error == ""
    kept = project.step(run, "repeat").outputs["result"]
    assert kept.size > 2 * 150_000_000
    assert kept.meta == {"rows": 40_000_000, "columns": ["n"]}
    assert project.value(run, "add_up") == 40 * sum(range(1_000_000))


def test_a_table_that_memory_does_not_hold_leaves_a_sentence_and_nothing_else(project: Folder) -> None:
    pl.DataFrame({"n": range(1_000_000)}).write_parquet(project.folder / "million.parquet")
    before = set(project.app.home.blobs.rglob("*"))
    assert project.run("held", times=40).error == "hold failed: needed more than its 150 MB"
    assert project.run("walled").error == "confined failed: needed more memory than there is"
    kept = set(project.app.home.blobs.rglob("*")) - before
    assert not [path for path in kept if path.suffix == ".part" or path.stat().st_size > 1_000_000]


def claimed(project: Folder, owner: str) -> Run:
    """A run as a process of this name would leave it if it were killed at work."""
    run = project.run("says")
    until = datetime.now(UTC) + timedelta(days=1)
    with project.app.store.begin() as tx:
        tx.put(
            replace(tx.get(Run, run.id), status="running", finished=None),
            replace(
                project.step(run, "say"),
                status="running",
                token=1,
                lease=Lease(owner=owner, token=1, until=until),
                outputs={},
            ),
        )
    return run


def test_what_a_dead_process_left_is_carried_on_by_a_retry(project: Folder) -> None:
    gone = os.posix_spawn(sys.executable, [sys.executable, "-c", ""], os.environ)
    os.waitpid(gone, 0)
    run = claimed(project, f"{socket.gethostname()}:{gone}:abc")
    assert project.retry(run).status == "succeeded"
    assert project.step(run, "say").token == 2


@pytest.mark.parametrize("host", [socket.gethostname(), "elsewhere"])
def test_what_somebody_may_be_working_at_is_left_to_them(project: Folder, host: str) -> None:
    run = claimed(project, f"{host}:{os.getppid()}:abc")
    with pytest.raises(Conflict, match="cannot be retried: it is running"):
        project.retry(run)
    assert project.step(run, "say").status == "running"
