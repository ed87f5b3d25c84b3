"""Pushed rows in files of JSON lines, with an index of what is there that can be made again of them."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from penstock.adapters.pushes.index import Index, Stream
from penstock.core.errors import StorageFailed
from penstock.datasets.pushing import Event, checked, event_of, learn, utc_text
from penstock.datasets.types import Pushed, Source

SEGMENT = 16 << 20
"""Bytes after which a file is no longer appended to: readers read those that change as a whole."""
_LOCK = ".lock"


class JsonLinesPushes:
    """A `PushLog`. Rows are durable before the index knows them; where it knows less it is caught up.

    Whoever appends holds the folder's lock, so that several systems may write to one data root.
    """

    def __init__(self, index: Path) -> None:
        """The index is a file that is made when it is first used."""
        self._index = Index(index)
        self._taken = threading.Lock()

    def append(
        self, source: Source, data_root: str | Path, rows: Sequence[Mapping[str, Any]], now: datetime
    ) -> Pushed:
        """See `PushLog`."""
        folder = Path(data_root, source.path)
        try:
            with self._taken, _locked(folder), self._index.stream(str(folder.resolve())) as stream:
                _catch_up(stream, folder, source)
                events, kinds = checked(source, rows, stream.kinds())
                told, fresh = _sorted_out(stream, events)
                if fresh:
                    arrived = {source.known_time: utc_text(now)}
                    lines = b"".join(msgspec.json.encode(event.row | arrived) + b"\n" for event in fresh)
                    place = _append(folder, lines)
                    stream.add(fresh, kinds, *place)
                return told
        except sqlite3.DatabaseError as error:
            self.close()  # so that it is opened anew once it has been removed
            raise StorageFailed(
                what="The index of pushed rows cannot be used",
                found=f"{error} in {self._index.path}",
                fix="It can be removed: it is made again of the files.",
            ) from error
        except OSError as error:
            raise StorageFailed(
                what=f"Rows pushed to {source.name} cannot be kept",
                found=f"{error.strerror or error} in {folder}",
                fix="The system writes them below the project's data root.",
            ) from error

    def close(self) -> None:
        """See `PushLog`."""
        with self._taken:
            self._index.close()


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _LOCK).open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _sorted_out(stream: Stream, events: Sequence[Event]) -> tuple[Pushed, list[Event]]:
    """The events that are not there yet, also not before in the same batch."""
    seen: dict[bytes, set[bytes]] = {}
    fresh, corrected = [], 0
    for event in events:
        if event.key not in seen:
            seen[event.key] = stream.rows_of(event.key)
        there = seen[event.key]
        if event.digest not in there:
            fresh.append(event)
            corrected += bool(there)
            there.add(event.digest)
    told = Pushed(new=len(fresh) - corrected, corrected=corrected, known=len(events) - len(fresh))
    return told, fresh


def _segments(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.jsonl") if path.stem.isdecimal())


def _append(folder: Path, lines: bytes) -> tuple[str, int]:
    """Write lines to the newest file, durably, or none of them; gives its name and size."""
    there = _segments(folder)
    number = int(there[-1].stem) if there else 0
    if not there or there[-1].stat().st_size >= SEGMENT:
        number += 1
    path = folder / f"{number:08d}.jsonl"
    with path.open("ab", buffering=0) as file:
        before = os.fstat(file.fileno()).st_size
        if not before:  # first, so that no later push has to know whether it was done
            _sync_folder(folder)
        try:
            left = memoryview(lines)
            while left:
                left = left[file.write(left) :]
            os.fsync(file.fileno())
        except OSError:
            os.ftruncate(file.fileno(), before)
            raise
    return path.name, before + len(lines)


def _sync_folder(folder: Path) -> None:
    """Make a new file's name durable, and those of the folders that may be new with it."""
    for place in (folder, folder.parent, folder.parent.parent):
        opened = os.open(place, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def _catch_up(stream: Stream, folder: Path, source: Source) -> None:
    """Take into the index what the files have beyond it: a process was killed, or another has written.

    An index that knows of more than there is was made of other files, and is begun anew. The last line is
    cut off where it has no end: nobody was told that it is kept. Who wrote the others may have been killed
    before they were durable, and a retry of them is told that they are kept.
    """
    there = _segments(folder)
    name, size = stream.place()
    sizes = {path.name: path.stat().st_size for path in there}
    if not there and not name:
        return
    if name and there and there[-1].name == name and sizes[name] == size:
        return
    if name and sizes.get(name, -1) < size:
        stream.forget()
        name, size = "", 0
    for path in (path for path in there if path.name >= name):
        with path.open("r+b") as file:
            begun = size if path.name == name else 0
            file.seek(begun)
            whole, line_end, torn = file.read().rpartition(b"\n")
            if torn:
                file.truncate(begun + len(whole) + len(line_end))
            os.fsync(file.fileno())
        events, kinds = _read(source, whole, stream.kinds())
        stream.add(events, kinds, path.name, begun + len(whole) + len(line_end))


def _read(source: Source, lines: bytes, kinds: dict[str, str]) -> tuple[list[Event], dict[str, str]]:
    """The events of lines that were written earlier; what is none of ours is passed over, as readers do."""
    events = []
    for line in lines.split(b"\n"):
        try:
            row = msgspec.json.decode(line, type=dict[str, Any]) if line else {}
        except msgspec.DecodeError:
            continue
        if all(row.get(name) is not None for name in (source.event_time, *source.key)):
            events.append(event_of(source, row))
            learn(kinds, events[-1].row)
    return events, kinds
