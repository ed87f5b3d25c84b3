"""Builds on this machine: a thread for each, with git, uv and pytest as child processes."""

from __future__ import annotations

import logging
import queue
import shutil
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from penstock.adapters.builders.attempt import Attempt, Tools
from penstock.adapters.builders.checkouts import Checkout
from penstock.adapters.builders.environments import Environments
from penstock.adapters.builders.outputs.images import Images
from penstock.adapters.builders.outputs.make import Outputs
from penstock.adapters.builders.packages import Packages
from penstock.adapters.builders.processes import Processes, Stopped
from penstock.adapters.isolation.plain import PlainProcess
from penstock.adapters.isolation.program import Isolation
from penstock.builds.types import Build, Built, Release, TestCase
from penstock.core.digests import digest_value
from penstock.lineage.ports import Blobs
from penstock.revisions.ports import Forge
from penstock.runs.types import Workspace

_log = logging.getLogger(__name__)


class LocalBuilder:
    """A `builds.ports.Builder` that keeps environments and code under the home. Starts nothing by itself."""

    def __init__(
        self,
        home: Path,
        forge: Forge,
        blobs: Blobs,
        *,
        room: int = 1,
        wake: Callable[[], object] = lambda: None,
        isolation: Isolation | None = None,
        secrets: Callable[[str], Mapping[str, str]] = lambda _project: {},
    ) -> None:
        """`room` is how many builds may run at a time; `wake` is called when one gets on, from any thread;
        `isolation` is how their programs are kept apart; `secrets` are those of a project's builds, by name.
        """
        self._home = home
        self._wake = wake
        self._room = room
        self._closed = False
        self._processes = Processes(isolation or PlainProcess(home))
        packages = Packages(self._processes)
        environments = Environments(home / "envs", packages)
        outputs = Outputs(packages, environments, Images(self._processes, secrets), blobs)
        self._tools = Tools(forge, blobs, self._processes, packages, environments, outputs)
        self._checking_out = threading.Lock()
        self._stages: dict[str, str] = {}
        self._attempts: dict[str, Attempt] = {}
        self._threads: dict[str, threading.Thread] = {}
        self._ended: queue.SimpleQueue[Built] = queue.SimpleQueue()

    def free(self) -> int:
        """See `Builder.free`."""
        return self._room - len(self._stages)

    def start(self, build: Build, data_root: str) -> None:
        """See `Builder.start`."""
        self._stages[build.id] = "waiting"
        self._processes.allow(*self._places(build))
        self._threads = {key: thread for key, thread in self._threads.items() if thread.is_alive()}
        before = self._threads.get(build.id)
        thread = threading.Thread(
            target=self._work, args=(build, data_root, before), name=f"build-{build.id}", daemon=True
        )
        self._threads[build.id] = thread
        thread.start()

    def finished(self) -> Sequence[Built]:
        """See `Builder.finished`."""
        ended = []
        while not self._ended.empty():
            built = self._ended.get()  # its thread goes on to remove what it has made, which may take long
            del self._stages[built.build]
            self._attempts.pop(built.build, None)
            ended.append(built)
        return ended

    def stages(self) -> dict[str, str]:
        """See `Builder.stages`; a build counts until `finished` has told of it."""
        return dict(self._stages)

    def tests(self) -> dict[str, tuple[TestCase, ...]]:
        """See `Builder.tests`."""
        return {build: attempt.tests() for build, attempt in list(self._attempts.items())}

    def cancel(self, build: Build) -> None:
        """See `Builder.cancel`."""
        self._processes.cancel(*self._places(build))

    def workspace(self, release: Release, data_root: str) -> Workspace:
        """See `Builder.workspace`.

        The environment is the one that this Penstock would make from the release's lock: after an
        upgrade of Penstock it is a new one, so that both ends of a worker's pipe speak one version.
        """
        checkout = self._checkout(release)
        python = self._tools.environments.python(self._make(checkout))
        return Workspace(
            python=str(python),
            folder=str(checkout.folder),
            data_root=data_root,
            lock=release.lock,
            beside=digest_value(checkout.near) if checkout.near else "",
        )

    def restore(self, release: Release, environment: str) -> None:
        """See `Builder.restore`. It gets the Penstock that runs, whichever it was made with."""
        self._make(self._checkout(release), environment)

    def _checkout(self, release: Release) -> Checkout:
        """The code of a release, taken from its commit if it is gone."""
        code = self._home / "code" / release.id
        with self._checking_out:
            if not code.exists():
                code.parent.mkdir(parents=True, exist_ok=True)
                with tempfile.TemporaryDirectory(dir=code.parent, prefix=".new-") as scratch:
                    tree = Path(scratch, "tree")
                    tree.mkdir()
                    self._tools.forge.checkout(release.project, release.commit, str(tree))
                    tree.rename(code)
        return Checkout(code / release.folder, code)

    def _make(self, checkout: Checkout, name: str = "") -> str:
        log = self._place("logs") / "environments.log"
        return self._tools.environments.make(checkout, log, _log.info, name)

    def close(self) -> None:
        """See `Builder.close`."""
        self._closed = True
        self._processes.close()
        for thread in self._threads.values():
            thread.join()

    def _work(self, build: Build, data_root: str, before: threading.Thread | None) -> None:
        def tell(stage: str) -> None:
            self._stages[build.id] = stage
            self._wake()

        log, folder = self._places(build)
        try:
            if before:
                before.join()  # it removes the same folder
            for place in (log, folder):
                place.parent.mkdir(parents=True, exist_ok=True)
            log.unlink(missing_ok=True)
            for stale in folder.parent.iterdir():  # what killed attempts left
                if stale.name == build.id or stale.name not in self._threads:
                    shutil.rmtree(stale, ignore_errors=True)
            folder.mkdir()
            attempt = Attempt(self._tools, build, data_root=data_root, folder=folder, log=log, tell=tell)
            self._attempts[build.id] = attempt
            self._end(attempt.work())
        except Stopped:
            if not self._closed:  # cancelled: nobody waits for this answer, but the room is free
                self._end(Built(build=build.id, token=build.token, error="It was cancelled."))
            # else it stays claimed, and is queued again by whoever opens the home next
        except Exception as error:  # noqa: BLE001 - whatever it was, a build that is silent would never end
            _log.exception("build %s broke off", build.id)
            what = f"The build broke off: {error}"
            tests = self.tests().get(build.id, ())
            self._end(Built(build=build.id, token=build.token, tests=tests, error=what, broken=True))
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _end(self, built: Built) -> None:
        self._ended.put(built)
        self._wake()

    def _places(self, build: Build) -> tuple[Path, Path]:
        """Where the programs of a build write to: its log, and its folder."""
        return self._home / build.log, self._home / "builds" / build.id

    def _place(self, name: str) -> Path:
        place = self._home / name
        place.mkdir(parents=True, exist_ok=True)
        return place
