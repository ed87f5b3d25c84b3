"""A project that is a member of a uv workspace, built for real with the lock at the workspace's root."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import uv

from penstock.adapters.blobs.folder import FolderBlobs
from penstock.adapters.builders.checkouts import Checkout
from penstock.adapters.builders.local import LocalBuilder
from penstock.builds.types import Build, Built
from penstock.testing.forges import FakeForge
from tests.unit.outputs.conftest import NOW, PATIENCE, SMALL, Files

USES = SMALL["small/pipeline.py"].replace(b"from penstock", b"from shared import TWO\nfrom penstock")
WORKSPACE: Files = {
    **{f"small/{name}": data for name, data in SMALL.items()},
    "pyproject.toml": b'[tool.uv.workspace]\nmembers = ["small", "other", "libs/*"]\n',
    "small/pyproject.toml": SMALL["pyproject.toml"].replace(
        b'["packaging>=24"]', b'["packaging>=24", "shared"]'
    )
    + b"\n[tool.uv.sources]\nshared = { workspace = true }\n",
    "small/small/pipeline.py": USES.replace(b"2 * Version", b"TWO * Version"),
    "libs/shared/shared/__init__.py": b"TWO = 2\n",
    "libs/shared/pyproject.toml": SMALL["pyproject.toml"]
    .replace(b'"small"', b'"shared"')
    .replace(b'["packaging>=24"]', b"[]"),
    "other/pyproject.toml": b'[project]\nname = "other"\nversion = "1"\nrequires-python = ">=3.11"\n',
}


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """The workspace with its lock; skipped where no package index answers."""
    for name, data in WORKSPACE.items():
        if name.endswith(".toml"):
            (tmp_path / "locked" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "locked" / name).write_bytes(data)
    command = [uv.find_uv_bin(), "lock", "--quiet"]
    locked = subprocess.run(
        command, cwd=tmp_path / "locked", capture_output=True, text=True, timeout=120, check=False
    )
    if locked.returncode != 0:
        pytest.skip(f"uv reaches no package index: {locked.stderr.strip()}")
    return {**WORKSPACE, "uv.lock": (tmp_path / "locked" / "uv.lock").read_bytes()}


@pytest.fixture
def builder(tmp_path: Path) -> Iterator[LocalBuilder]:
    builder = LocalBuilder(tmp_path, FakeForge(), FolderBlobs(tmp_path / "blobs"))
    yield builder
    builder.close()


def built(builder: LocalBuilder, files: Files, key: str) -> Built:
    forge = builder._tools.forge
    assert isinstance(forge, FakeForge)
    forge.create("small", protected="main")
    commit = forge.push("small", "dev", files)
    log = f"logs/builds/{key}.log"
    build = Build(
        id=key, project="small", commit=commit, branch="dev", created=NOW, token=1, log=log, folder="small"
    )
    builder.start(build, "/nowhere")
    builder._threads[key].join(PATIENCE)
    [ended] = builder.finished()
    assert ended.error == "", (builder._home / log).read_text()
    return ended


def test_a_member_is_built_with_what_it_needs_of_the_workspace(
    builder: LocalBuilder, files: Files, tmp_path: Path
) -> None:
    first = built(builder, files, "1")
    blobs = FolderBlobs(tmp_path / "blobs")
    [executable] = [output for output in first.outputs if output.name == "executable"]
    program = tmp_path / executable.file
    program.write_bytes(b"".join(blobs.get(part) for part in executable.parts))
    with zipfile.ZipFile(io.BytesIO(blobs.get(first.wheel))) as wheel:
        assert "shared/__init__.py" not in wheel.namelist()
    run = subprocess.run(
        [sys.executable, "-I", str(program), "run", "arithmetic"],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stderr


def test_only_what_a_member_needs_names_its_environment(tmp_path: Path) -> None:
    lock = "".join(
        f'[[package]]\nname = "{name}"\nversion = "1"\nsource = {{ editable = "{place}" }}\n{more}'
        for name, place, more in (
            ("small", "small", 'dependencies = [{ name = "shared" }]\n'),
            ("shared", "libs/shared", ""),
            ("other", "other", ""),
        )
    )
    for name, data in {**WORKSPACE, "uv.lock": lock.encode()}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)

    def needs() -> str:
        return Checkout(tmp_path / "small", tmp_path).needs

    first = needs()
    (tmp_path / "small/read.me").touch()
    (tmp_path / "other/read.me").touch()
    assert needs() == first
    (tmp_path / "libs/shared/shared/more.py").touch()
    assert needs() != first
    assert Checkout(tmp_path / "small", tmp_path).lock == tmp_path / "uv.lock"
