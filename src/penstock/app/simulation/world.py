"""The system on a home of its own, in which every policy is an environment and time is ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from penstock.adapters.blobs.folder import FolderBlobs
from penstock.app.home import Home
from penstock.app.simulation.kept import begin_anew
from penstock.app.simulation.policies import world_config
from penstock.app.simulation.service import Answered, Answering
from penstock.app.simulation.types import Wanted
from penstock.app.wiring import App
from penstock.builds.types import Release
from penstock.core.digests import digest_value
from penstock.core.events import Event
from penstock.deployments.decide import Facts
from penstock.deployments.tryouts import at_once
from penstock.deployments.types import Deployment
from penstock.models.types import Placement, Version
from penstock.runs.types import Run, Workspace

BEFORE = ("revisions", "builds", "releases")
"""Duties that bring releases to environments: here they are there from the beginning."""
PATIENCE = 1.0


class World(App):
    """All components and their ticks as they are wired for `penstock up`, but for what answers.

    Tryouts of candidates are made at once, so that a tick depends on nothing but the store.
    """

    def __init__(self, home: Home, wanted: Wanted) -> None:
        self.answers = Answering(FolderBlobs(home.blobs))
        self.answered = Answered()
        self._wanted = wanted
        super().__init__(home, virtual=wanted.start, service=self.answers, log=self.answered)
        self._duties = [tick for name, tick in self.ticks if name not in BEFORE]

    def deploy(self) -> None:
        """Put the project, as one release, into the environment of every policy."""
        wanted, now = self._wanted, self.clock.now()
        config = world_config(wanted)
        key = digest_value([config, wanted.graph.pipeline])
        with self.store.begin() as tx:
            [event] = tx.publish(_event("release.made", f"release:{key}", now, wanted.project))
            tx.add(
                Release(
                    id=key,
                    number=1,
                    project=wanted.project,
                    commit="",
                    build="",
                    created=now,
                    wheel="",
                    lock="",
                    config=self.blobs.put(config.encode()),
                    environment="",
                    graphs=(wanted.graph,),
                    event=event,
                )
            )
            for policy in wanted.policies:
                number = tx.mint(Deployment)
                [event] = tx.publish(_event("release.deployed", f"deployment:{number}", now, wanted.project))
                tx.add(
                    Deployment(
                        id=number,
                        project=wanted.project,
                        environment=policy.name,
                        release=key,
                        commit="",
                        deployed=now,
                        actor="penstock",
                        why="the simulation began",
                        kind="push",
                        active=True,
                        event=event,
                    )
                )

    def live(self) -> None:
        """Tick until nothing is left to do at this moment."""
        while True:
            now = self.clock.now()
            changed = [tick(now) for tick in self._duties]
            if self._finished(now) and not any(changed):
                return

    def _finished(self, now: datetime) -> bool:
        """Carry runs to their end while time and other duties stand still; whether there was none."""
        none = True
        while True:
            with self.store.read() as reader:
                if not reader.count(Run, status=("queued", "running")):
                    return none
            none = False
            self.runs.wait(PATIENCE)
            self.runs.tick(now)

    def champions(self) -> dict[str, Version]:
        """The version that answers, by policy."""
        with self.store.read() as reader:
            placed = reader.find(Placement, model=self._wanted.model, role="champion")
            return {p.environment: reader.get(Version, f"{p.model}@{p.number}") for p in placed}

    def _workspace(self, release: Release, environment: str) -> Workspace:
        del release, environment
        return self._wanted.workspace

    def _data_root(self, project: str) -> str:
        del project
        return self._wanted.workspace.data_root

    def _beside(self, work: Callable[[], Facts]) -> Future[Facts]:
        return at_once(work)


@contextmanager
def open_world(folder: Path, wanted: Wanted) -> Iterator[World]:
    """The world at its beginning, with the trainings that earlier ones in this folder made.

    Raises Conflict when another simulation goes on there.
    """
    home = Home(folder)
    home.address = ""  # whatever keeps the metadata of the real system
    home.make()
    with home.owned():
        begin_anew(home, wanted.start)
        world = World(home, wanted)
        try:
            yield world
        finally:
            world.close()


def _event(kind: str, subject: str, now: datetime, project: str) -> Event:
    return Event(kind=kind, subject=subject, time=now, project=project)
