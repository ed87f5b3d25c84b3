"""An executor that gets ready while the rest of a program is still being imported."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from penstock.adapters.executors.choice import open_executor
from penstock.app.home import Home
from penstock.core.digests import digest_bytes
from penstock.runs.ports import Executor
from penstock.runs.types import Workspace


@contextmanager
def ready_executor(home: Path, on: str, folder: Path) -> Iterator[Executor]:
    """The executor that `on` names (see `open_executor`), on a home, for the project in a folder."""
    place = Home(home)
    place.make()
    executor = open_executor(on, logs=place.logs / "runs", blobs=place.blobs)
    try:
        executor.warm(local_workspace(folder))
        yield executor
    finally:
        executor.close()


def local_workspace(folder: Path) -> Workspace:
    """A project's folder with the Python that runs this program."""
    folder = folder.resolve()
    locks = (place / "uv.lock" for place in (folder, *folder.parents))  # a workspace has it at its root
    lock = next((file for file in locks if file.exists()), None)
    return Workspace(
        python=sys.executable,
        folder=str(folder),
        data_root=str(folder),
        lock=digest_bytes(lock.read_bytes()) if lock else "",
    )
