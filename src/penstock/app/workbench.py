"""What running pipelines needs, wired: `penstock run` has no other part of the system to import."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from penstock.adapters.blobs.folder import FolderBlobs
from penstock.adapters.executors.choice import open_executor
from penstock.adapters.executors.steplog import read_lines
from penstock.adapters.isolation.choice import open_isolation
from penstock.adapters.secrets.keyfile import KeyFile
from penstock.adapters.storage.clock import StoreClock
from penstock.adapters.storage.store import open_store
from penstock.app.home import Home
from penstock.builds.types import Release
from penstock.datasets.types import Source
from penstock.lineage.secrets import Secrets
from penstock.lineage.service import Ledger
from penstock.models.service import Models
from penstock.revisions.config import ModelConfig, ProjectConfig, parse_config
from penstock.runs.ports import Executor
from penstock.runs.room import Room
from penstock.runs.secrets import StepSecrets
from penstock.runs.service import Runs
from penstock.runs.types import Run


class Workbench:
    """Runs on one home, and the registry of the models that they publish."""

    def __init__(
        self,
        home: Home,
        *,
        virtual: datetime | None = None,
        on: str = "local",
        room: Room | None = None,
        executor: Executor | None = None,
        isolation: str = "none",
    ) -> None:
        """`virtual` gives a home that is new a virtual clock that starts there; `on` says where steps run
        and `room` what they may need together there, by default all there is (see `open_executor`), unless
        an `executor` is there already; `isolation` how programs of projects are kept from the home (see
        `open_isolation`).
        """
        self.home = home
        home.make()
        self.isolation = open_isolation(isolation, home.folder)
        self.executor = executor or open_executor(
            on, logs=home.logs / "runs", blobs=home.blobs, room=room, isolation=self.isolation
        )
        self.store = open_store(home.address or home.database, virtual=virtual, home=home.identity())
        home.keep_identity()
        self.clock = StoreClock(self.store)
        self.blobs = FolderBlobs(home.blobs)
        self.ledger = Ledger(self.store)
        self.secrets = Secrets(KeyFile(home.secrets))
        self.step_secrets = StepSecrets(self.store, self.secrets, self.clock)
        self.runs = Runs(
            self.store,
            self.blobs,
            self.executor,
            self.clock,
            secrets=self.step_secrets,
            logged=self._logged,
        )
        self.models = Models(
            self.store,
            self.blobs,
            self.clock,
            registers=self._registers,
            commit_of=self.commit_of,
            declared=self.declared,
            last_environment=self.last_environment,
            pickles=not self.isolation.shuts,
        )

    def close(self) -> None:
        """End every process that was started here."""
        self.executor.close()
        self.store.close()

    # What the faces ask for beyond one component.

    def actor(self, name: str) -> str:
        """Who acts: the name given, or the person at this machine."""
        return name or os.environ.get("PENSTOCK_ACTOR") or getpass.getuser()

    def log_lines(self, step_run: str, after: int, limit: int) -> tuple[list[dict[str, Any]], int]:
        """Lines of a step's log from an offset: `{"time", "stream", "text"}` each; and the next offset."""
        return read_lines(self.home.logs / "runs", step_run, after, limit)

    def commit_of(self, release: str) -> str:
        """The commit that a release was made of, empty for no release. Raises NotFound."""
        with self.store.read() as reader:
            return reader.get(Release, release).commit if release else ""

    def declared(self, release: str, environment: str, model: str) -> ModelConfig | None:
        """What the `penstock.toml` of a release says of a model in an environment; None for no release.

        Raises NotFound.
        """
        if not release:
            return None
        with self.store.read() as reader:
            config = reader.get(Release, release).config
        return parse_config(self.blobs.get(config).decode()).inside(environment).models.get(model)

    def config(self, project: str) -> ProjectConfig | None:
        """The `penstock.toml` of the project's newest release."""
        with self.store.read() as reader:
            newest = reader.find(Release, project=project, order="-created", limit=1)
        return parse_config(self.blobs.get(newest[0].config).decode()) if newest else None

    def serves(self, project: str, environment: str) -> bool:
        """Whether the project's newest release serves models in this environment."""
        config = self.config(project)
        return config is not None and any(e.serve for e in config.environments if e.name == environment)

    def _logged(self, source: Source, run: Run) -> str:
        found = import_module("penstock.app.logged")  # with Polars, which few runs need here
        return str(found.keep_answers(self, source, run))

    def _registers(self, project: str, environment: str) -> bool:
        return environment == "development" or self.serves(project, environment)

    def last_environment(self, project: str) -> str:
        """The end of a project's order of promotion."""
        config = self.config(project)
        return config.last if config else "production"


@contextmanager
def open_workbench(
    home: Path, *, create: bool = True, on: str = "local", executor: Executor | None = None
) -> Iterator[Workbench]:
    """Open a home to run something, with steps running where `on` says (see `open_executor`) or on an
    `executor` that is there already.

    Raises NotFound when it must exist and does not.
    """
    place = Home(home)
    if not create:
        place.require()
    bench = Workbench(place, on=on, executor=executor)
    try:
        yield bench
    finally:
        bench.close()
