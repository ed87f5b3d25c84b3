"""A home that has built one commit of a small project, for real."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
import uv

from penstock.adapters.blobs.folder import FolderBlobs
from penstock.adapters.builders.local import LocalBuilder
from penstock.builds.releasing import described
from penstock.builds.types import Build, Built, Output
from penstock.testing.forges import FakeForge

NOW = datetime(2013, 3, 1, tzinfo=UTC)
PATIENCE = 600.0
Files = dict[str, bytes]
SMALL = {
    "pyproject.toml": b"""\
[project]
name = "small"
version = "1.0"
requires-python = ">=3.11"
dependencies = ["packaging>=24"]

[dependency-groups]
dev = ["pytest>=8.3"]

[build-system]
requires = ["hatchling>=1.27"]
build-backend = "hatchling.build"

[tool.hatch.build.targets.wheel]
packages = ["small"]
""",
    "penstock.toml": b"""\
[project]
name = "small"
[environments.live]
deploy = { on = "push", branch = "dev" }
""",
    "small/__init__.py": b'"""Small."""\n',
    "small/pipeline.py": b"""\
from packaging.version import Version

from penstock import log, pipeline, step


@step
def double(number: int) -> int:
    log.metric("double", 2 * number)
    return 2 * Version(str(number)).major


@pipeline
def arithmetic(number: int = 3):
    return double(number)
""",
    "tests/test_small.py": b"""\
from small.pipeline import double


def test_double():
    assert double(2) == 4
""",
}


class Made(NamedTuple):
    """A build that has ended green, what it gave, and where."""

    home: Path
    build: Build
    built: Built
    outputs: dict[str, Output]

    def bytes_of(self, name: str) -> bytes:
        blobs = FolderBlobs(self.home / "blobs")
        return b"".join(blobs.get(part) for part in self.outputs[name].parts)


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """A project that passes, with its lock; skipped where no package index answers."""
    folder = tmp_path_factory.mktemp("small")
    folder.joinpath("pyproject.toml").write_bytes(SMALL["pyproject.toml"])
    locked = subprocess.run(
        [uv.find_uv_bin(), "lock", "--quiet"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if locked.returncode != 0:
        pytest.skip(f"uv reaches no package index: {locked.stderr.strip()}")
    return {**SMALL, "uv.lock": folder.joinpath("uv.lock").read_bytes()}


@pytest.fixture(scope="session")
def make() -> Callable[..., Made]:
    """Builds files in a home; what describes the release is made as `Builds` does."""

    def make(
        home: Path,
        files: Files,
        key: str = "1",
        now: datetime = NOW,
        umask: int = 0o022,
        secrets: Mapping[str, str] | None = None,
    ) -> Made:
        forge = FakeForge()
        forge.create("small", protected="main")
        commit = forge.push("small", "dev", files)
        log = f"logs/builds/{key}.log"
        build = Build(
            id=key, project="small", commit=commit, branch="dev", created=now, token=1, log=log, started=now
        )
        blobs = FolderBlobs(home / "blobs")
        builder = LocalBuilder(home, forge, blobs, secrets=lambda _project: secrets or {})
        before = os.umask(umask)
        try:
            builder.start(build, str(home))
            builder._threads[key].join(PATIENCE)
            [built] = builder.finished()
        finally:
            os.umask(before)
            builder.close()
        assert built.error == "", (home / log).read_text()
        outputs = described(blobs, build, built, now + timedelta(minutes=1))
        return Made(home, build, built, {output.name: output for output in outputs})

    return make


@pytest.fixture(scope="session")
def made(make: Callable[..., Made], small: Files, tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make(tmp_path_factory.mktemp("home"), small)
