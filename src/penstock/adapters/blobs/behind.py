"""Making files durable behind those who wrote them."""

from __future__ import annotations

import os
import queue
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from typing import Any

SPELL = 0.25
"""Seconds for which files are gathered: while a journal is written, nobody makes a file."""
_FEW = 16
"""So many files are flushed one by one; for more, the whole file system is, which writes its journal once."""
_TOGETHER = 8
"""Of these, how many at once: a file system writes its journal once for all who wait for it."""
_WAITING = 1024
"""How many files may wait; who writes more waits for the disk."""


class Behind:
    """A thread that flushes files, and the folders in which they stand, to the disk.

    Whatever kills the process loses nothing: the system has the bytes. A power cut may take the files of
    the last moments. A file that cannot be flushed is removed: what it was to hold is not there.
    """

    def __init__(self) -> None:
        self._places: queue.Queue[str] = queue.Queue(_WAITING)
        self._hurry = threading.Event()
        self._begun = False

    def flush(self, place: str) -> None:
        """Flush a file soon."""
        if not self._begun:
            self._begun = True
            threading.Thread(target=self._work, name="penstock-flush", daemon=True).start()
        self._places.put(place)

    def done(self) -> None:
        """Wait until everything so far is on the disk."""
        self._hurry.set()
        self._places.join()

    def _work(self) -> None:
        while True:
            some = [self._places.get()]
            self._hurry.wait(SPELL)
            self._hurry.clear()
            while not self._places.empty():
                some.append(self._places.get())
            if len(some) <= _FEW or not flush_file_system(os.path.dirname(some[0])):
                with ThreadPoolExecutor(_TOGETHER) as threads:
                    threads.map(_flush, some)
            for _ in some:
                self._places.task_done()


def _flush(place: str) -> None:
    with suppress(
        OSError
    ):  # deleted meanwhile; or no descriptor is left, and the system writes it in its time
        descriptor = os.open(place, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        except OSError:
            os.unlink(place)
        finally:
            os.close(descriptor)
        flush_folder(os.path.dirname(place))


def flush_folder(path: str) -> None:
    """Flush the names in a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def flush_file_system(path: str) -> bool:
    """Flush everything that stands on the same file system; False where that cannot be done, or failed."""
    syncfs = _syncfs()
    if syncfs is None:
        return False
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        return bool(syncfs(descriptor) == 0)
    finally:
        os.close(descriptor)


@cache
def _syncfs() -> Any:
    """The function of the system's library, None where it has none; Linux tells since 5.8 when it failed."""
    import ctypes  # few steps write so many files

    return getattr(ctypes.CDLL(None), "syncfs", None)
