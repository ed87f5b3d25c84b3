"""What test and build needs: something that works through a build."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from penstock.builds.types import Build, Built, Release, TestCase
from penstock.runs.types import Workspace


class Builder(Protocol):
    """Builds in the background, one or few at a time."""

    def free(self) -> int:
        """How many more builds can be started now."""
        ...

    def start(self, build: Build, data_root: str) -> None:
        """Begin a build, whose automatic tests take their sample from `data_root`; returns at once."""
        ...

    def finished(self) -> Sequence[Built]:
        """Builds that have ended since the last call."""
        ...

    def stages(self) -> dict[str, str]:
        """What each running build (by id) is doing now."""
        ...

    def tests(self) -> dict[str, tuple[TestCase, ...]]:
        """The tests so far of running builds (by id), the one that runs among them."""
        ...

    def cancel(self, build: Build) -> None:
        """End a running build soon, whatever becomes of it; it is in `finished` then."""
        ...

    def workspace(self, release: Release, data_root: str) -> Workspace:
        """The environment and code folder of a release, made anew if it is gone."""
        ...

    def restore(self, release: Release, environment: str) -> None:
        """Make an environment of a release anew, under the name by which versions know it, and its code.

        Takes minutes. Raises InvalidProject when what is locked cannot be installed.
        """
        ...

    def close(self) -> None:
        """End what is running; nothing is left behind."""
        ...
