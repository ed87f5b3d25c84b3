"""Making files durable behind those who wrote them."""

from __future__ import annotations

import os
import queue
import threading
import time
from contextlib import suppress
from pathlib import Path

SPELL = 0.02
"""Seconds for which files are gathered: flushed one after another, most cost next to nothing."""
_WAITING = 256
"""How many files may wait; who writes more waits for the disk."""


class Behind:
    """A thread that flushes files, and the folders in which they stand, to the disk.

    Whatever kills the process loses nothing: the system has the bytes. A power cut may take the files of
    the last moments. A file that cannot be flushed is removed: what it was to hold is not there.
    """

    def __init__(self) -> None:
        self._files: queue.Queue[tuple[int, Path]] = queue.Queue(_WAITING)
        self._thread: threading.Thread | None = None

    def flush(self, descriptor: int, place: Path) -> None:
        """Flush an open file, which stands at a place, soon; it may be closed meanwhile."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="penstock-flush", daemon=True)
            self._thread.start()
        self._files.put((os.dup(descriptor), place))

    def done(self) -> None:
        """Wait until everything so far is on the disk."""
        self._files.join()

    def _work(self) -> None:
        while True:
            some = [self._files.get()]
            time.sleep(SPELL)
            while not self._files.empty():
                some.append(self._files.get())
            _flush(some)
            for _ in some:
                self._files.task_done()


def _flush(files: list[tuple[int, Path]]) -> None:
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
