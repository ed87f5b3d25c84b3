"""Commands that only run pipelines and look at runs do not pay for the rest of the system."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

PIPELINE = """
import sys
from penstock import pipeline, step

@step
def answer() -> int:
    return 42

@step
def tell(answer: int) -> None:
    print("imported", *sys.modules)

@pipeline
def ask():
    return tell(answer())
"""
PROGRAM = """
import sys
from penstock.cli.commands import app

try:
    app(sys.argv[1:])
finally:
    print("imported", *sys.modules, file=sys.stderr)
"""
LIBRARIES = {"numpy", "pandas", "polars", "pyarrow", "sklearn", "sqlalchemy"}
HEAVY = {
    "alembic",
    "httpx",
    "jinja2",
    "litestar",
    "numpy",
    "onnxruntime",
    "optuna",
    "polars",
    "uvicorn",
    "penstock.app.wiring",
    "pydantic",
    "sqlalchemy",
}
COMMANDS = (
    "run tiny:ask",
    "run tiny:ask --plan",
    "run tiny:ask --explain answer",
    "run show 1",
    "runs",
    "logs 1",
    "compare 1 2",
)


def imported(folder: Path, command: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *command.split()],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stderr.splitlines()[-1].split())


def imported_by_a_step(folder: Path) -> set[str]:
    log = json.loads((folder / ".penstock/logs/runs/1/tell.jsonl").read_text().splitlines()[0])
    return set(log["text"].split())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("tiny")
    (made / "tiny.py").write_text(PIPELINE)
    for _ in range(2):
        imported(made, "run tiny:ask")
    return made


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_for_runs_imports_only_what_runs_need(folder: Path, command: str) -> None:
    assert not imported(folder, command) & HEAVY


def test_a_worker_imports_libraries_of_data_only_with_the_values_that_need_them(folder: Path) -> None:
    ran = imported_by_a_step(folder)
    assert "penstock.adapters.formats.tables" in ran
    assert not ran & LIBRARIES
