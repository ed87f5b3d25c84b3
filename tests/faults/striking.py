"""`penstock` as a program that is killed at a named point of one step's way, once.

The points are found through the ports, so nothing in the product knows of them: this program wraps the store
that the scheduler writes to, and the project whose steps run imports this module into its workers.
STRIKE names the point and the victim; the step is the one below.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

STEP = "square[1]"
SCHEDULER = (
    "claim",  # the claim is written and not committed
    "start",  # it is committed, and no worker has the task
    "result recorded",  # written and not committed
    "event published",  # committed together with the result
)
WORKER = (
    "work",  # the step has begun
    "effect",  # it has done what cannot be undone, and logged a line
    "artifact written",
    "result sent",  # the scheduler has been told
)
POINTS = SCHEDULER + WORKER
VICTIMS = ("worker", "scheduler", "both")

HOME = Path(os.environ.get("PENSTOCK_HOME", ""))
"""Whoever has this in its environment belongs to one case."""


def reach(point: str) -> None:
    """Strike if this is the point that is meant, the first time that any process comes to it."""
    wanted, _, victim = os.environ.get("STRIKE", "").partition("/")
    if point != wanted or victim not in VICTIMS or not _first():
        return
    if point in SCHEDULER:
        workers, scheduler = _workers(), os.getpid()
    else:
        workers, scheduler = [os.getpid()], os.getppid()
    own_last = sorted([*workers] * (victim != "scheduler") + [scheduler] * (victim != "worker"), key=_is_own)
    for pid in own_last:
        os.kill(pid, signal.SIGKILL)


def _first() -> bool:
    try:
        os.close(os.open(HOME / "struck", os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


def _is_own(pid: int) -> bool:
    return pid == os.getpid()


def _workers() -> list[int]:
    found = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    children = [int(pid) for file in found for pid in file.read_text().split()]
    return [pid for pid in children if b"executors.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()]


class Watched:
    """A store whose transactions come by the scheduler's points."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    @contextmanager
    def begin(self) -> Iterator[Any]:
        """See `Store.begin`."""
        with self._store.begin() as tx:
            watched = WatchedTransaction(tx)
            yield watched
        for point in watched.committing:
            reach(point)


class WatchedTransaction:
    """Notes what becomes of the step."""

    def __init__(self, tx: Any) -> None:
        self._tx = tx
        self.committing: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tx, name)

    def put(self, *nouns: Any) -> None:
        """See `Transaction.put`."""
        self._tx.put(*nouns)
        self._note(nouns)

    def add(self, *nouns: Any) -> None:
        """See `Transaction.add`."""
        self._tx.add(*nouns)
        self._note(nouns)

    def _note(self, nouns: tuple[Any, ...]) -> None:
        for noun in nouns:
            if getattr(noun, "name", "") == STEP:
                if noun.status == "running" and noun.attempt:
                    reach("claim")
                    self.committing.append("start")
                if noun.status == "succeeded":
                    reach("result recorded")
                    self.committing.append("event published")


def attend_worker() -> None:
    """Have this worker come by its points; called when it imports the project."""
    from penstock.adapters.blobs.folder import FolderBlobs
    from penstock.core.channel import Channel

    put, send = FolderBlobs.put, Channel.send

    def put_and_reach(self: Any, data: bytes) -> str:
        digest = put(self, data)
        if _at_work:
            reach("artifact written")
        return digest

    def send_and_reach(self: Any, message: Any) -> None:
        send(self, message)
        if _at_work and hasattr(message, "outcome"):
            reach("result sent")
            _at_work.clear()

    vars(sys.modules[FolderBlobs.__module__])["FolderBlobs"].put = put_and_reach
    vars(sys.modules[Channel.__module__])["Channel"].send = send_and_reach


_at_work: list[str] = []


def begin(step: str) -> None:
    """A step begins in this worker."""
    if step == STEP:
        _at_work.append(step)
        reach("work")


def main() -> None:
    """Run `penstock` with a store that comes by the scheduler's points."""
    from penstock.app import workbench
    from penstock.cli import main as penstock

    opened = workbench.open_store
    vars(workbench)["open_store"] = lambda *given, **more: Watched(opened(*given, **more))
    penstock()


if __name__ == "__main__":
    main()
