"""New rows in the files of a source, counted without reading them again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from penstock.datasets.reading import MALFORMED, scan
from penstock.datasets.types import Source
from penstock.triggers.ports import Arrived

LOOK = timedelta(seconds=5)
"""How long the folder of a source is not looked at again: many things happen in such a time."""


class _Seen(msgspec.Struct, frozen=True):
    """When the rows after `since` are known, in microseconds and in order, by the files as they were."""

    since: datetime | None
    files: tuple[tuple[str, int, int], ...]
    times: NDArray[np.int64]
    looked: datetime


class FileArrivals:
    """Keeps the times at which rows are known, which are read again only when a file has changed."""

    def __init__(self, root_of: Callable[[str], str]) -> None:
        """`root_of` gives the data root of a project."""
        self._root_of = root_of
        self._seen: dict[tuple[str, str], _Seen] = {}

    def since(
        self, project: str, data: str, source: Source, since: datetime | None, now: datetime
    ) -> Arrived:
        """See `Arrivals.since`."""
        root = str(Path(self._root_of(project), data))
        key = (root, msgspec.json.encode(source).decode())
        seen = self._seen.get(key)
        if seen is None or seen.since != since or not seen.looked <= now < seen.looked + LOOK:
            files = _files(Path(root, source.path))
            if seen is None or (seen.since, seen.files) != (since, files):
                seen = _Seen(since, files, _times(source, root, since), now)
            self._seen[key] = seen = msgspec.structs.replace(seen, looked=now)
        moment = round(now.timestamp() * 1_000_000)
        rows = int(np.searchsorted(seen.times, moment, side="right"))
        newest = datetime.fromtimestamp(int(seen.times[rows - 1]) / 1_000_000, UTC) if rows else None
        return Arrived(rows, newest)


def _files(place: Path) -> tuple[tuple[str, int, int], ...]:
    """What tells whether files have changed: names, sizes and times of change."""
    paths = [place] if place.is_file() else sorted(p for p in place.rglob("*") if p.is_file())
    states = [(path, path.stat()) for path in paths]
    return tuple((str(path), state.st_size, state.st_mtime_ns) for path, state in states)


def _times(source: Source, root: str, since: datetime | None) -> NDArray[np.int64]:
    names = dict.fromkeys((source.event_time, source.known_time or source.event_time))
    later = pl.max_horizontal(*names)  # a row is seen when it has happened and is known
    rows = scan(source, root).filter(~pl.col(MALFORMED)).select(later.dt.epoch("us").alias("known"))
    if since is not None:
        rows = rows.filter(pl.col("known") > round(since.timestamp() * 1_000_000))
    times: NDArray[np.int64] = rows.collect()["known"].sort().to_numpy()
    return times
