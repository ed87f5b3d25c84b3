"""Workspaces whose environment is gone are made beside the loop."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from penstock.app.workspaces import Workspaces
from penstock.builds.types import Release
from penstock.core.errors import Busy, InvalidProject
from penstock.runs.types import Workspace
from penstock.testing.delivery import Delivered
from penstock.testing.fakes import FixedClock, MemoryBlobs, MemoryStore

WORKSPACE = Workspace(python="python", folder="/code", data_root="/data", lock="l")


class Making:
    """Makes workspaces once it is allowed to, but none in `broken`."""

    def __init__(self) -> None:
        self.allowed, self.heard = threading.Event(), threading.Event()
        self.begun: list[str] = []
        self.workspaces = Workspaces(self.make, found=self.heard.set, patience=0.01)
        self.release: Release = Delivered(MemoryStore(), MemoryBlobs(), FixedClock()).release("c1")

    def make(self, _release: Release, environment: str) -> Workspace:
        self.begun.append(environment)
        self.allowed.wait()
        if environment == "broken":
            raise InvalidProject(what="Nothing can be installed.")
        return WORKSPACE


@pytest.fixture
def making() -> Iterator[Making]:
    made = Making()
    yield made
    made.allowed.set()
    made.workspaces.close()


def test_one_that_takes_long_is_made_once_and_holds_nothing_up(making: Making) -> None:
    for _ in range(3):
        with pytest.raises(Busy, match="release 1 of flights is gone"):
            making.workspaces.of(making.release, "slow")
    assert not making.heard.is_set()
    making.allowed.set()
    assert making.heard.wait(60)
    assert making.workspaces.of(making.release, "slow") == WORKSPACE
    assert making.begun == ["slow"]


def test_what_cannot_be_made_says_why_and_is_begun_anew(making: Making) -> None:
    for times in (1, 2):
        with pytest.raises(Busy):
            making.workspaces.of(making.release, "broken")
        making.allowed.set()
        assert making.heard.wait(60)
        with pytest.raises(InvalidProject):
            making.workspaces.of(making.release, "broken")
        assert making.begun == ["broken"] * times
        making.allowed.clear()
        making.heard.clear()
