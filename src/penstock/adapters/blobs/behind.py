"""Making files durable behind those who wrote them."""

from __future__ import annotations

import os
import queue
import threading
from contextlib import suppress
from pathlib import Path

SPELL = 0.25
"""Seconds for which files are gathered, unless many come: while a journal is written, nobody makes a file."""
_TOGETHER = 8
"""Files that are flushed at once: a file system writes its journal once for all who wait for it, and once for
each of those who come one after another, which took three milliseconds for every step."""
_SHARE = 3
"""Files for which one thread is enough."""
_WAITING = 256
"""How many files may wait; who writes more waits for the disk."""
_MANY = _WAITING // 2
"""So many files are flushed at once."""

File = tuple[int, Path]
"""A descriptor of its own for an open file, and where it stands."""


class Behind:
    """Threads that flush files, and the folders in which they stand, to the disk.

    Whatever kills the process loses nothing: the system has the bytes. A power cut may take the files of
    the last moments. A file that cannot be flushed is removed: what it was to hold is not there.
    """

    def __init__(self) -> None:
        self._files: queue.Queue[File] = queue.Queue(_WAITING)
        self._shares: queue.SimpleQueue[list[File]] = queue.SimpleQueue()
        self._flushed: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._hurry = threading.Event()
        self._begun = False

    def flush(self, descriptor: int, place: Path) -> None:
        """Flush an open file, which stands at a place, soon; it may be closed meanwhile."""
        if not self._begun:
            self._begun = True
            for work in (self._gather, *[self._share] * _TOGETHER):
                threading.Thread(target=work, name="penstock-flush", daemon=True).start()
        self._files.put((os.dup(descriptor), place))
        if self._files.qsize() >= _MANY:
            self._hurry.set()

    def done(self) -> None:
        """Wait until everything so far is on the disk."""
        self._hurry.set()
        self._files.join()

    def _gather(self) -> None:
        while True:
            some = [self._files.get()]
            self._hurry.wait(SPELL)
            self._hurry.clear()
            while not self._files.empty():
                some.append(self._files.get())
            count = min(_TOGETHER, -(-len(some) // _SHARE))
            shares = [some[number::count] for number in range(count)]
            for share in shares:
                self._shares.put(share)
            for _ in shares:
                self._flushed.get()
            for _ in some:
                self._files.task_done()

    def _share(self) -> None:
        while True:
            share = self._shares.get()
            _flush(share)
            self._flushed.put(len(share))


def _flush(files: list[File]) -> None:
    for descriptor, place in files:
        try:
            os.fsync(descriptor)
        except OSError:
            place.unlink(missing_ok=True)
        finally:
            os.close(descriptor)
    for folder in {place.parent for _, place in files}:
        with suppress(OSError):
            flush_folder(folder)


def flush_folder(folder: Path) -> None:
    """Flush the names in a folder."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
