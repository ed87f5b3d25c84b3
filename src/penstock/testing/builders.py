"""A builder that builds nothing: a test says how each build ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from penstock.builds.types import Build, Built, Release, TestCase
from penstock.core.digests import digest_bytes
from penstock.runs.types import Workspace


class FakeBuilder:
    """A `builds.ports.Builder` with room for some builds at a time."""

    def __init__(self, room: int = 1) -> None:
        self._room = room
        self._running: dict[str, Build] = {}
        self._ended: list[Built] = []
        self._tests: dict[str, tuple[TestCase, ...]] = {}

    def report(self, build: str, *tests: TestCase) -> None:
        """Say which tests a running build has done so far."""
        self._tests[build] = tests

    def finish(self, build: str, **said: Any) -> Built:
        """End a running build; `said` are fields of `Built`, by default those of a green one."""
        token = self._running.pop(build).token
        green = {name: digest_bytes(name.encode()) for name in ("wheel", "lock", "config", "environment")}
        built = Built(build=build, token=token, **(said if said.get("error") else green | said))
        self._ended.append(built)
        return built

    def deliver(self, built: Built) -> None:
        """Hand back an answer, perhaps one that comes too late."""
        self._ended.append(built)

    def die(self) -> None:
        """Forget everything, as a killed process does."""
        self._running.clear()
        self._ended.clear()

    def free(self) -> int:
        """See `Builder.free`."""
        return self._room - len(self._running)

    def start(self, build: Build, data_root: str) -> None:  # noqa: ARG002 - the port's
        """See `Builder.start`."""
        self._running[build.id] = build

    def finished(self) -> Sequence[Built]:
        """See `Builder.finished`."""
        ended, self._ended = self._ended, []
        return ended

    def stages(self) -> dict[str, str]:
        """See `Builder.stages`."""
        return dict.fromkeys(self._running, "test")

    def tests(self) -> dict[str, tuple[TestCase, ...]]:
        """See `Builder.tests`."""
        return {build: tests for build, tests in self._tests.items() if build in self._running}

    def cancel(self, build: Build) -> None:
        """See `Builder.cancel`."""
        if build.id in self._running:
            self.finish(build.id, error="It was cancelled.")

    def workspace(self, release: Release, data_root: str) -> Workspace:
        """See `Builder.workspace`; the folder is nowhere."""
        return Workspace(
            python="/nowhere/bin/python",
            folder=f"/nowhere/{release.id}",
            data_root=data_root,
            lock=release.lock,
        )

    def restore(self, release: Release, environment: str) -> None:
        """See `Builder.restore`; there is nothing to be made."""

    def close(self) -> None:
        """See `Builder.close`."""
        self._running.clear()
