"""The prediction log: JSON lines in segment files, durable within a fraction of a second."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from penstock.core.errors import StorageFailed
from penstock.serving.types import LogRecord

INTERVAL = 0.2
"""Seconds after which an answer that was given is durable, at most."""
SEGMENT_BYTES = 16 * 1024 * 1024
SEGMENT_SECONDS = 3600.0
"""After which a segment is closed, so that it can be packed, and forgotten in time."""
PACKED = "packed"
"""The folder of what was packed: columns, in files that are called as segments."""
_AT_ONCE = os.sysconf("SC_IOV_MAX")
"""Records of a write, which the kernel takes from where they are: copying them would have everybody wait."""
MOST_WAITING = 100_000
"""Answers that wait for a disk that takes no bytes before further ones are refused."""


class LogWriter:
    """Appends records from memory to the disk, in a thread of its own.

    Each writer begins its own segment, `<milliseconds of its start>-<number>.jsonl`, so that it
    never continues a line that a killed writer left torn. It holds a lock on the segment that it writes to,
    which ends with it, however that happens. A write that fails is cut off at the last whole record and tried
    again.
    """

    def __init__(
        self, folder: Path, *, segment_bytes: int = SEGMENT_BYTES, segment_seconds: float = SEGMENT_SECONDS
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.error = ""
        self._folder = folder
        self._segment_bytes = segment_bytes
        self._segment_seconds = segment_seconds
        self._opened = 0.0
        known = [*segments_in(folder), *folder.glob(f"{PACKED}/**/*.parquet")]
        newest = max((age(path.stem)[0] for path in known), default=0)
        self._started = max(time.time_ns() // 1_000_000, newest + 1)  # also where a clock was put back
        self._segment = 0
        self._file = -1
        self._size = 0
        self._waiting: deque[bytes] = deque()  # both of its ends may be used by different threads
        self._writing = threading.Lock()
        self._stop = threading.Event()
        self._encode = msgspec.json.Encoder().encode
        self._thread = threading.Thread(target=self._flush_often, name="prediction-log", daemon=True)
        self._thread.start()

    def append(self, record: LogRecord) -> None:
        """Remember an answer. Raises StorageFailed while the disk takes nothing and too many wait."""
        self.append_lines((self._encode(record) + b"\n",))  # in bulk it would stop the loop for milliseconds

    def append_lines(self, records: Iterable[bytes]) -> None:
        """The same of records that are written already, each as JSON on one line with its end."""
        if self.error and len(self._waiting) > MOST_WAITING:
            raise StorageFailed(what="The prediction log cannot be written", found=self.error)
        self._waiting.extend(records)

    def flush(self) -> None:
        """Make every record appended so far durable. Raises StorageFailed."""
        with self._writing:
            if self._file >= 0 and time.monotonic() - self._opened >= self._segment_seconds:
                self._end_segment()
            batch = [self._waiting.popleft() for _ in range(len(self._waiting))]
            if not batch:
                return
            try:
                self._write(batch)
            except OSError as error:
                self._waiting.extendleft(reversed(batch))
                self.error = str(error)
                raise StorageFailed(
                    what="The prediction log cannot be written",
                    found=self.error,
                    fix="Make room on the disk.",
                ) from error
            self.error = ""

    def close(self) -> None:
        """Flush and end the thread."""
        self._stop.set()
        self._thread.join()
        self.flush()
        self._end_segment()

    def _flush_often(self) -> None:
        while not self._stop.wait(INTERVAL):
            try:
                self.flush()
            except StorageFailed:
                continue

    def _write(self, batch: Sequence[bytes]) -> None:
        if self._file < 0 or self._size >= self._segment_bytes:
            self._next_segment()
        try:
            size = self._size
            for at in range(0, len(batch), _AT_ONCE):
                size += _write_all(self._file, batch[at : at + _AT_ONCE])
            os.fsync(self._file)
        except OSError:
            os.ftruncate(self._file, self._size)
            os.lseek(self._file, self._size, os.SEEK_SET)
            raise
        self._size = size

    def _next_segment(self) -> None:
        hidden = self._folder / f".{os.getpid()}.new"  # nobody sees a segment that is not locked yet
        opened = os.open(hidden, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        fcntl.flock(opened, fcntl.LOCK_EX)
        while True:
            try:
                os.link(hidden, self._folder / f"{self._started}-{self._segment}.jsonl")
                break
            except FileExistsError:  # of a process that began in the same moment
                self._started += 1
        hidden.unlink()
        self._end_segment()
        self._file, self._size, self._segment = opened, 0, self._segment + 1
        self._opened = time.monotonic()
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _end_segment(self) -> None:
        if self._file >= 0:
            os.close(self._file)
        self._file = -1


def _write_all(file: int, lines: Sequence[bytes]) -> int:
    """Write lines to a file; gives their bytes. Raises OSError, also when some of them are written."""
    size, done = sum(map(len, lines)), os.writev(file, lines)
    if done < size:
        rest = memoryview(b"".join(lines))[done:]
        while rest:
            rest = rest[os.write(file, rest) :]
    return size


def segments_in(folder: Path) -> Iterator[Path]:
    """The segments in a folder, in any order."""
    return folder.glob("*-*.jsonl")


def age(name: str) -> tuple[int, int]:
    """What segments, and files that were packed, are in order by: when their writer began, and which of its
    it is. Names are without the suffix.
    """
    started, number, *_ = name.split("-")
    return int(started), int(number)
