"""Environments of versions that are served apart come back by themselves, and nothing waits for them."""

from __future__ import annotations

from concurrent.futures import Future
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from penstock.app import apart
from penstock.app.apart import Apart
from penstock.builds.types import Release
from penstock.core.errors import InvalidProject, Unavailable
from penstock.models.types import Version
from penstock.testing.delivery import Delivered
from penstock.testing.fakes import FixedClock, MemoryBlobs, MemoryStore

NOW = datetime(2025, 1, 1, tzinfo=UTC)
RUNTIME = "f" * 64


class Home:
    """A home whose champion is served apart, as a pickle of a release."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.store = folder, MemoryStore()
        project = Delivered(self.store, MemoryBlobs(), FixedClock(NOW))
        self.release = project.release("c1")
        made = project.version()
        told = {"format": "unsafe_pickle", "runtime": RUNTIME, "metadata": {"code": self.release.id}}
        self.version: Version = replace(made, governance={"release": self.release.id}, **told)
        with self.store.begin() as tx:
            tx.put(self.version)
        project.lead(made)
        self.begun: list[Any] = []
        self.loaded = 0
        self.error = ""
        self.apart = Apart(self.store, folder, self.restore, submit=self.submit, made=self.load)

    def submit(self, work: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.begun.append((future, work))
        return future

    def work(self) -> None:
        """What was begun beside ends."""
        future, work = self.begun.pop()
        try:
            future.set_result(work())
        except Unavailable as error:
            future.set_exception(error)

    def restore(self, release: Release, environment: str) -> None:
        assert (release, environment) == (self.release, RUNTIME)
        if self.error:
            raise InvalidProject(what=self.error)
        (self.folder / "code" / release.id).mkdir(parents=True)
        python = self.folder / "envs" / environment / "bin" / "python"
        python.parent.mkdir(parents=True)
        python.touch()

    def load(self) -> None:
        self.loaded += 1


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setattr(apart, "LOOK", 0.0)
    return Home(tmp_path)


def test_what_is_gone_is_made_once_beside_the_loop_and_then_loaded(home: Home) -> None:
    assert not home.apart.tick(NOW)
    assert not home.apart.tick(NOW)
    assert (len(home.begun), home.apart.making, home.loaded) == (1, True, 0)
    home.work()
    assert home.apart.tick(NOW)
    assert not home.apart.tick(NOW)
    assert (home.begun, home.apart.making, home.loaded) == ([], False, 1)


def test_what_fails_is_told_until_it_is_tried_again_and_works(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.error = "The index does not answer."
    home.apart.tick(NOW)
    home.work()
    for _ in range(2):
        with pytest.raises(Unavailable, match=r"delay@1 is gone and cannot be made anew.*index does not"):
            home.apart.tick(NOW)
    assert not home.begun
    with pytest.raises(Unavailable, match="index does not"):
        home.apart.ensure(home.version)
    home.error = ""
    monkeypatch.setattr(apart.time, "monotonic", lambda: 1e12)
    with pytest.raises(Unavailable):
        home.apart.tick(NOW)
    home.work()
    assert home.apart.tick(NOW)


def test_a_candidate_waits_for_its_own_and_others_for_none(home: Home) -> None:
    home.apart.ensure(replace(home.version, format="onnx"))
    home.apart.ensure(replace(home.version, governance={}))
    assert not (home.folder / "envs").exists()
    home.apart.ensure(home.version)
    assert (home.folder / "envs" / RUNTIME / "bin" / "python").exists()
