"""A disk that is full in the middle of a build: with room again the system goes on, and nothing is lost."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from delivered import Tiny

SIZE = 24 << 20
"""Bytes of the disk that the home lies on, without the environments."""


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A home on a small disk of its own; environments, which are large, lie elsewhere."""
    home, envs = tmp_path / "home", tmp_path / "envs"
    home.mkdir()
    envs.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(home)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no small disk can be mounted here: that takes root and the right to mount")
    try:
        (home / "envs").symlink_to(envs)
        yield home
    finally:
        subprocess.run(["umount", "--lazy", str(home)], check=True)


@pytest.fixture
def tiny(small: Path, tmp_path: Path) -> Iterator[Tiny]:
    tiny = Tiny(tmp_path / "tiny", small)
    try:
        tiny.begin()
        yield tiny
    finally:
        tiny.system.stop()


def test_a_build_on_a_full_disk_is_finished_when_there_is_room(tiny: Tiny, small: Path) -> None:
    tiny.push("first")
    tiny.settle()
    tiny.push("second")
    wait_for(lambda: tiny.rows("SELECT 1 FROM builds WHERE id = '2' AND stage LIKE 'test: %'"))
    ballast = small / "ballast"
    fill(ballast)
    wait_for(lambda: fill(ballast) or tiny.system.get("/status")["problems"])
    assert not tiny.rows("SELECT 1 FROM builds WHERE id = '2' AND status NOT IN ('queued', 'running')")
    ballast.unlink()
    tiny.settle()
    assert tiny.rows("SELECT status FROM builds ORDER BY id") == [("passed",), ("passed",)]
    assert tiny.rows("SELECT number FROM releases ORDER BY number") == [(1,), (2,)]
    assert tiny.rows("SELECT status, pipeline FROM runs ORDER BY id") == [
        ("succeeded", "first"),
        ("succeeded", "second"),
    ]
    assert tiny.system.get("/audit")["ok"]
    assert tiny.system.get("/status")["problems"] == {}
    assert not list((small / "builds").iterdir())


def fill(ballast: Path) -> None:
    """Write until nothing more fits."""
    with ballast.open("ab", buffering=0) as file, suppress(OSError):
        for size in (1 << 20, 1 << 12):
            with suppress(OSError):
                while True:
                    file.write(b"0" * size)


def wait_for(happened: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)
