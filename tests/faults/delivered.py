"""A project without models, whose builds and runs take seconds, on its way through a system of its own."""

from __future__ import annotations

import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import uv
from reaper import rows

from penstock.cli.demo.system import System

START = datetime(2025, 4, 8, tzinfo=UTC)
PATIENCE = 240.0
PYPROJECT = """\
[project]
name = "tiny"
version = "1.0"
requires-python = ">=3.11"
dependencies = []

[dependency-groups]
dev = ["pytest>=8.3"]

[build-system]
requires = ["hatchling>=1.27"]
build-backend = "hatchling.build"
"""
DELIVERY = """\
[project]
name = "tiny"

[builds]
executable = false

[environments.test]
deploy = {{ on = "push", branch = "dev" }}

[environments.staging]
deploy = {{ on = "merge", branch = "main", approvals = 1 }}

[environments.production]
deploy = {{ on = "promote", after = "staging", successful_runs = 1 }}

[[triggers]]
pipeline = "{name}"
environments = ["production"]
any = [{{ schedule = "0 3 * * *" }}]
"""
PIPELINE = """\
from penstock import pipeline, step


@step
def double(number: int) -> int:
    return 2 * number


@pipeline
def {name}(number: int = {number}):
    return double(number)
"""
TESTS = """\
from tiny.pipeline import double


def test_double():
    assert double(2) == 4
"""


def lay_out(folder: Path) -> None:
    """The project's folders, its `pyproject.toml` and its lock. Skips where no package index answers."""
    for name in ("tiny", "tests"):
        (folder / name).mkdir(parents=True)
    (folder / "pyproject.toml").write_text(PYPROJECT)
    lock = [uv.find_uv_bin(), "lock", "--quiet"]
    locked = subprocess.run(lock, cwd=folder, capture_output=True, text=True, check=False)
    if locked.returncode:
        pytest.skip(f"uv reaches no package index: {locked.stderr.strip()}")


def write(folder: Path, pipeline: str, number: int = 3) -> None:
    """The rest of the project, with one pipeline of this name."""
    (folder / "penstock.toml").write_text(DELIVERY.format(name=pipeline))
    (folder / "tiny" / "__init__.py").write_text('"""Tiny."""\n')
    (folder / "tiny" / "pipeline.py").write_text(PIPELINE.format(name=pipeline, number=number))
    (folder / "tests" / "test_tiny.py").write_text(TESTS)


class Tiny:
    """The project's folder and the system that it is pushed to; all that is asked may be asked again."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.folder = folder
        self.system = System(home, START, (0, 0))

    def begin(self) -> None:
        """A project with its lock and nothing else; the system is up. Skips where no index answers."""
        lay_out(self.folder)
        self.git("init", "-q", "-b", "dev")
        self.system.start()
        self.system.post("/projects", name="tiny", data_root=str(self.folder), actor="ada")

    def git(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Git in the project's folder, as its author."""
        name = ("-c", "user.name=Ada", "-c", "user.email=ada@tiny.example")
        command = ["git", *name, *words]
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)

    def push(self, pipeline: str, number: int = 3) -> str:
        """Commit the project with one pipeline of this name, and push it; gives the commit."""
        write(self.folder, pipeline, number)
        self.git("add", "-A")
        self.git("commit", "-qm", f"Draw {pipeline} with {number}")
        until = time.monotonic() + PATIENCE
        while (pushed := self.git("push", "-q", self.system.url() + "/git/tiny.git", "dev")).returncode:
            assert time.monotonic() < until, pushed.stderr
        return self.git("rev-parse", "HEAD").stdout.strip()

    def settle(self) -> None:
        """Wait until everything so far has had its consequences."""
        status = self.system.post("/settle", wait=PATIENCE)
        assert status["settled"], status

    def deliver(self, pipeline: str, release: int) -> None:
        """From a push through test and staging to production."""
        commit = self.push(pipeline)
        self.settle()
        self.system.post(f"/revisions/{commit}/approve", actor="grace")
        self.system.post("/merge", branch="dev", actor="grace")
        self.settle()
        self.system.post("/promote", what=str(release), environment="production", actor="katherine")
        self.settle()

    def advance(self, to: datetime) -> None:
        """Let it be `to`."""
        status = self.system.post("/clock", to=to.isoformat(), wait=PATIENCE)
        assert status["settled"], status

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """What the store holds."""
        return rows(self.system.home, query, *values)
