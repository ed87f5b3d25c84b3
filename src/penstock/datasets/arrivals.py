"""What has arrived in a source: told from files that changed, without reading the others again."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from penstock.core.digests import digest_value
from penstock.datasets.columns import known_at
from penstock.datasets.listing import FORMATS, Listing, listing
from penstock.datasets.reading import MALFORMED, scan, unreadable
from penstock.datasets.types import Arrived, Level, Source

KEPT = 1 << 23
"""Times that are kept in memory, of files whose rows are not all known yet (64 MB)."""
_SECOND = 1_000_000


class _Seen(msgspec.Struct, frozen=True):
    """A file as it was read: its rows, and the first and the last moment at which they became known."""

    state: tuple[int, int, int]
    rows: int
    first: int
    last: int


class Levels:
    """Keeps, of every file, how many rows it has and from when to when they became known.

    A file is read again, and of it only its times and keys, when its size, time or inode has changed.
    """

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}
        self._times: dict[str, NDArray[np.int64]] = {}

    def at(self, source: Source, data_root: str | Path, as_of: datetime) -> Level:
        """How much of a source was known at `as_of` (UTC), as its files are now.

        Of a file that was known in part the bytes count in part. A partition is a file, or the folder of
        one where they lie in folders. Raises NotFound when there are no files, InvalidValue when they cannot
        be read.
        """
        found = listing(source, data_root)
        moment = round(as_of.timestamp() * _SECOND)
        place = Path(data_root, source.path)
        rows, size, newest = 0, 0.0, None
        partitions: set[Path] = set()
        states = []
        for path in found.paths:
            stat = path.stat()
            seen = self._of(source, data_root, path, (stat.st_size, stat.st_mtime_ns, stat.st_ino))
            states.append((str(path), stat.st_size, stat.st_mtime_ns))
            count, last = self._known(source, data_root, path, seen, moment)
            if not count:
                continue
            rows, size = rows + count, size + stat.st_size * count / seen.rows
            newest = last if newest is None else max(newest, last)
            partitions.add(path if path.parent in {place, place.parent} else path.parent)
        return Level(
            as_of=as_of,
            rows=rows,
            bytes=round(size),
            partitions=len(partitions),
            newest=None if newest is None else datetime.fromtimestamp(newest / _SECOND, UTC),
            digest=digest_value(states),
            unfinished=tuple(f"{each.file}: {each.why}" for each in found.unfinished),
        )

    def since(
        self, source: Source, data_root: str | Path, before: Level | datetime | None, as_of: datetime
    ) -> Arrived:
        """What arrived until `as_of`, since an earlier level, or since a moment, or ever.

        An earlier level counts whatever was not there then, also rows of old times that were brought in late;
        a moment counts what became known after it. Raises as `at`.
        """
        now = self.at(source, data_root, as_of)
        return arrived(self.at(source, data_root, before) if isinstance(before, datetime) else before, now)

    def _of(self, source: Source, root: str | Path, path: Path, state: tuple[int, int, int]) -> _Seen:
        key = _key(source, path)
        seen = self._seen.get(key)
        if seen is None or seen.state != state:
            times = _times(source, root, path)
            first, last = (int(times[0]), int(times[-1])) if times.size else (0, 0)
            self._seen[key] = seen = _Seen(state, times.size, first, last)
            self._keep(key, times)
        return seen

    def _known(
        self, source: Source, root: str | Path, path: Path, seen: _Seen, moment: int
    ) -> tuple[int, int]:
        """How many rows of a file were known at a moment, and when the last of them became so."""
        if not seen.rows or moment < seen.first:
            return 0, 0
        if moment >= seen.last:
            return seen.rows, seen.last
        key = _key(source, path)
        times = self._times.get(key)
        if times is None:
            times = _times(source, root, path)
            self._keep(key, times)
        count = int(np.searchsorted(times, moment, side="right"))
        return count, int(times[count - 1])

    def _keep(self, key: str, times: NDArray[np.int64]) -> None:
        """Keep a file's times in place of those that were kept first, where there is no room for all."""
        self._times.pop(key, None)
        while self._times and sum(kept.size for kept in self._times.values()) + times.size > KEPT:
            del self._times[next(iter(self._times))]
        if times.size <= KEPT:
            self._times[key] = times


def arrived(before: Level | None, now: Level) -> Arrived:
    """What came between two levels of a source; before the first there was nothing."""
    if before is None:
        return Arrived(
            rows=now.rows, bytes=now.bytes, partitions=now.partitions, newest=now.newest, changed=True
        )
    doubts = []
    if now.rows < before.rows:
        doubts.append(f"the source shrank from {before.rows:,} rows to {now.rows:,}")
    if before.newest and (now.newest is None or now.newest < before.newest):
        then, newest = (
            f"{before.newest:%Y-%m-%d %H:%M}",
            f"{now.newest:%Y-%m-%d %H:%M}" if now.newest else "none",
        )
        doubts.append(f"its newest time went back from {then} to {newest} UTC")
    return Arrived(
        rows=max(0, now.rows - before.rows),
        bytes=max(0, now.bytes - before.bytes),
        partitions=max(0, now.partitions - before.partitions),
        newest=now.newest,
        changed=now.digest != before.digest or now.rows != before.rows,
        doubts=tuple(doubts),
    )


def _key(source: Source, path: Path) -> str:
    return "\0".join((str(path), source.event_time, source.known_time, *source.key))


def _times(source: Source, root: str | Path, path: Path) -> NDArray[np.int64]:
    """When the rows of a file became known, in microseconds and in order."""
    rows = scan(source, root, Listing([path], FORMATS[path.suffix], []))
    try:
        times = rows.filter(~pl.col(MALFORMED)).select(known_at(source).dt.epoch("us")).collect()
    except pl.exceptions.PolarsError as error:
        raise unreadable(source, error) from error
    return np.sort(times.to_series().to_numpy())
