"""A project whose tests, build backend and steps look for secrets of the home: isolated, they find none."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import uv

from penstock.adapters.blobs.folder import FolderBlobs
from penstock.adapters.builders.local import LocalBuilder
from penstock.adapters.executors.pool import WorkerPool
from penstock.adapters.isolation.choice import open_isolation
from penstock.builds.types import Build, Release
from penstock.core.errors import PenstockError
from penstock.pipelines.types import Node
from penstock.runs.types import Task
from penstock.testing.forges import FakeForge

NOW = datetime(2013, 3, 1, tzinfo=UTC)
PODMAN = "podman --runtime runc --cgroup-manager=cgroupfs run --network=host"
LIMITED = " --ulimit nofile=1024:1024 --ulimit nproc=1000:1000"
LOOK = """
import os

HOME = "{home}"

def found():
    seen = []
    for name in ("penstock.db", "secrets.key", "logs/system.log"):
        for mode in ("r", "r+"):
            try:
                open(os.path.join(HOME, name), mode).close()
            except OSError:
                continue
            seen.append(mode + " " + name)
    return seen + ["a variable"] * ("OUR_PASSWORD" in os.environ)
"""
FILES = {
    "pyproject.toml": """\
[project]
name = "nosy"
version = "1.0"
requires-python = ">=3.11"
dependencies = []

[dependency-groups]
dev = ["pytest>=8.3"]

[build-system]
requires = ["hatchling>=1.27"]
build-backend = "making"
backend-path = ["tools", "."]
""",
    "penstock.toml": """\
[project]
name = "nosy"
[environments.live]
deploy = { on = "push", branch = "dev" }
[builds]
executable = false
""",
    "nosy/__init__.py": "",
    "tools/making.py": """
from hatchling.build import *
from hatchling.build import build_wheel as make
from nosy.look import found

def build_wheel(*given, **named):
    assert found() == []
    return make(*given, **named)
""",
    "nosy/pipeline.py": """
import atexit
import os
import sys
from penstock import log, pipeline, step
from nosy.look import HOME, found

def lead_elsewhere():
    for told in (word for word in sys.argv if word.endswith("survey.json")):
        os.unlink(told)
        os.symlink(HOME + "/secrets.key", told)

atexit.register(lead_elsewhere)

@step
def look() -> list[str]:
    print("looking")
    return found()

@pipeline
def looks():
    return look()
""",
    "tests/test_nosy.py": """
from nosy.look import found

def test_there_is_nothing_to_be_seen():
    assert found() == []
""",
}


@pytest.fixture
def home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        home = Path(place).resolve() / "home"
        (home / "logs").mkdir(parents=True)
        for name in ("penstock.db", "secrets.key", "logs/system.log"):
            (home / name).write_text("secret")
        yield home


@pytest.mark.parametrize("how", ["user:nobody", f"{PODMAN}{LIMITED}"], ids=["user", "podman"])
def test_a_project_finds_nothing_of_the_home(how: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_DRIVER", os.environ.get("STORAGE_DRIVER", "vfs"))
    monkeypatch.setenv("OUR_PASSWORD", "ours")
    try:
        isolation = open_isolation(how, home)
        isolation.prove()
    except PenstockError as error:
        pytest.skip(str(error))
    files = FILES | {"nosy/look.py": LOOK.format(home=home), "uv.lock": locked(home.parent)}
    blobs, forge = FolderBlobs(home / "blobs"), FakeForge()
    forge.create("nosy", protected="main")
    commit = forge.push("nosy", "dev", {name: text.encode() for name, text in files.items()})
    log = "logs/builds/1.log"
    build = Build(id="1", project="nosy", commit=commit, branch="dev", created=NOW, token=1, log=log)
    builder = LocalBuilder(home, forge, blobs, isolation=isolation)
    pool = WorkerPool(size=1, logs=home / "logs" / "runs", blobs=home / "blobs", isolation=isolation)
    try:
        builder.start(build, "/nowhere")
        builder._threads["1"].join(300)
        [built] = builder.finished()
        assert "survey.json is not a plain file after the project's code has run" in built.error, (
            home / log
        ).read_text()
        assert [test.outcome for test in built.tests if test.suite != "files"][:2] == ["passed"] * 2
        release = Release(
            id="1" * 64,
            number=1,
            project="nosy",
            commit=commit,
            build="1",
            created=NOW,
            event=1,
            wheel="",
            lock="",
            config="",
            environment="",
            graphs=(),
        )
        workspace = builder.workspace(release, str(home.parent))  # the home lies among its data
        node = Node(name="look", kind="step", target="nosy.pipeline:look", outputs=("result",))
        pool.start(Task(step_run="1/look", token=1, node=node, workspace=workspace, as_of=NOW))
        [outcome] = pool.finished(120)
    finally:
        builder.close()
        pool.close()
    assert outcome.error == ""
    assert json.loads(blobs.get(outcome.outputs["result"].digest)) == []
    assert '"looking"' in (home / "logs" / "runs" / "1" / "look.jsonl").read_text()
    assert not list((home / "work").iterdir())
    assert not list((home / "builds").iterdir())


def locked(folder: Path) -> str:
    (folder / "pyproject.toml").write_text(FILES["pyproject.toml"])
    lock = [uv.find_uv_bin(), "lock", "--quiet"]
    ran = subprocess.run(lock, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    if ran.returncode != 0:
        pytest.skip(f"uv reaches no package index: {ran.stderr.strip()}")
    return (folder / "uv.lock").read_text()
