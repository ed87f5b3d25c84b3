"""The prediction log: JSON lines in segment files, durable within a fraction of a second."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from penstock.core.errors import NotFound, StorageFailed
from penstock.serving.types import LogRecord

INTERVAL = 0.2
"""Seconds after which an answer that was given is durable, at most."""
SEGMENT_BYTES = 64 * 1024 * 1024
MOST_WAITING = 100_000
"""Answers that wait for a disk that takes no bytes before further ones are refused."""


class LogWriter:
    """Appends records from memory to the disk, in a thread of its own.

    Each writer begins its own segment, `<milliseconds of its start>-<number>.jsonl`, so that it
    never continues a line that a killed writer left torn. A write that fails is cut off at the
    last whole record and tried again.
    """

    def __init__(self, folder: Path, *, segment_bytes: int = SEGMENT_BYTES) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.error = ""
        self._folder = folder
        self._segment_bytes = segment_bytes
        newest = max((_age(path.name)[0] for path in _segments(folder)), default=0)
        self._started = max(time.time_ns() // 1_000_000, newest + 1)  # also where a clock was put back
        self._segment = 0
        self._file = -1
        self._size = 0
        self._waiting: deque[LogRecord] = deque()  # both of its ends may be used by different threads
        self._writing = threading.Lock()
        self._stop = threading.Event()
        self._encoder = msgspec.json.Encoder()
        self._thread = threading.Thread(target=self._flush_often, name="prediction-log", daemon=True)
        self._thread.start()

    def append(self, record: LogRecord) -> None:
        """Remember an answer. Raises StorageFailed while the disk takes nothing and too many wait."""
        if self.error and len(self._waiting) > MOST_WAITING:
            raise StorageFailed(what="The prediction log cannot be written", found=self.error)
        self._waiting.append(record)

    def flush(self) -> None:
        """Make every record appended so far durable. Raises StorageFailed."""
        with self._writing:
            batch = [self._waiting.popleft() for _ in range(len(self._waiting))]
            if not batch:
                return
            try:
                self._write(self._encoder.encode_lines(batch))
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
        if self._file >= 0:
            os.close(self._file)

    def _flush_often(self) -> None:
        while not self._stop.wait(INTERVAL):
            try:
                self.flush()
            except StorageFailed:
                continue

    def _write(self, data: bytes) -> None:
        if self._file < 0 or self._size >= self._segment_bytes:
            self._next_segment()
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(self._file, rest) :]
            os.fsync(self._file)
        except OSError:
            os.ftruncate(self._file, self._size)
            os.lseek(self._file, self._size, os.SEEK_SET)
            raise
        self._size += len(data)

    def _next_segment(self) -> None:
        path = self._folder / f"{self._started}-{self._segment}.jsonl"
        opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        if self._file >= 0:
            os.close(self._file)
        self._file, self._size, self._segment = opened, 0, self._segment + 1
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


class JsonlPredictionLog:
    """A `serving.ports.PredictionLog` over the folder that a `LogWriter` writes, also while it writes.

    A line without its end, as a killed writer may leave it, is not a record. A whole line that
    cannot be read is what a failing machine left of a write that was never durable: it is passed over.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._decoder = msgspec.json.Decoder(LogRecord)

    def segments(self) -> Sequence[str]:
        """See `PredictionLog.segments`."""
        return sorted((path.name for path in _segments(self._folder)), key=_age)

    def read(self, segment: str, offset: int, limit: int) -> tuple[list[LogRecord], int]:
        """See `PredictionLog.read`. Raises NotFound for a segment that is not there."""
        records: list[LogRecord] = []
        try:
            with (self._folder / segment).open("rb") as lines:
                lines.seek(offset)
                while len(records) < limit and (line := lines.readline()).endswith(b"\n"):
                    offset += len(line)
                    try:
                        records.append(self._decoder.decode(line))
                    except msgspec.DecodeError:
                        continue
        except FileNotFoundError:
            raise NotFound(what=f"The prediction log has no segment {segment}") from None
        return records, offset


def _segments(folder: Path) -> Iterator[Path]:
    return folder.glob("*-*.jsonl")


def _age(name: str) -> tuple[int, int]:
    started, _, number = name.removesuffix(".jsonl").partition("-")
    return int(started), int(number)
