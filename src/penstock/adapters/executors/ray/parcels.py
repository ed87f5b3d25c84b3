"""What a node needs for a task: the task itself, and the code of its project, which Ray keeps for it."""

from __future__ import annotations

import threading
from pathlib import Path
from uuid import uuid4

import ray

from penstock.adapters.blobs.folder import FolderBlobs
from penstock.adapters.builders.own_wheel import own_wheel
from penstock.adapters.executors.ray.code import Stamps, pack, stamps_of
from penstock.adapters.executors.ray.messages import Order, encode
from penstock.core.digests import digest_bytes
from penstock.runs.types import Task

KEPT = 16
"""Archives that the cluster keeps for the next step."""
Archive = ray.ObjectRef[bytes]


class Parcels:
    """Packs tasks for machines that share the folder `blobs`. May be used from many threads."""

    def __init__(self, blobs: Path) -> None:
        self._folder = blobs
        self._blobs = FolderBlobs(blobs)
        self._mark = uuid4().bytes
        self._penstock = digest_bytes(own_wheel()[1])
        self._lock = threading.Lock()
        self._digests: dict[str, tuple[Stamps, str]] = {}
        self._archives: dict[str, Archive] = {}

    def pack(self, task: Task) -> tuple[bytes, Archive]:
        """The order for a task and the archive of its code, as it is on disk now.

        Raises InvalidProject for a folder that is too large to be code, and StorageFailed.
        """
        code, archive = self._code(Path(task.workspace.folder))
        order = Order(
            task=task,
            code=code,
            blobs=str(self._folder),
            mark=self._blobs.put(self._mark),
            penstock=self._penstock,
        )
        return encode(order), archive

    def forget(self) -> None:
        """Let the cluster drop every archive."""
        self._archives.clear()
        self._digests.clear()

    def _code(self, folder: Path) -> tuple[str, Archive]:
        with self._lock:
            stamps = stamps_of(folder, self._folder.parent)
            known, digest = self._digests.get(str(folder), ((), ""))
            if known != stamps or digest not in self._archives:
                data = pack(folder, stamps)
                digest = digest_bytes(data)
                self._digests[str(folder)] = stamps, digest
                if digest not in self._archives:
                    self._archives[digest] = ray.put(data)
            self._archives[digest] = self._archives.pop(digest)  # the last used stand last
            for oldest in list(self._archives)[:-KEPT]:
                del self._archives[oldest]
            return digest, self._archives[digest]
