"""What has arrived in sources that lie elsewhere: their times, brought here when something has changed."""

from __future__ import annotations

import tempfile
from datetime import datetime
from pathlib import Path

from msgspec.structs import replace

from penstock.adapters.sources.bring import as_files, origin_of
from penstock.core.digests import digest_value
from penstock.datasets.arrivals import Levels
from penstock.datasets.types import Arrived, Delta, Level, Source


class Everywhere:
    """`Arrivals` of files as they are, and of other sources by a copy of their times and keys.

    The copy is made again when the rows, the objects or the version are others than they were.
    """

    def __init__(self) -> None:
        self._levels = Levels()
        self._brought: dict[str, tuple[str, tempfile.TemporaryDirectory[str]]] = {}

    def since(
        self, source: Source, data_root: str | Path, before: Level | datetime | None, as_of: datetime
    ) -> Arrived:
        """See `Arrivals`; raises Unavailable too, where a source does not answer."""
        origin = origin_of(source)
        if origin is None:
            return self._levels.since(source, data_root, before, as_of)
        place = digest_value([str(data_root), source])
        state = origin.state(source, Path(data_root))
        known = self._brought.get(place)
        if known is None or known[0] != state:
            folder = tempfile.TemporaryDirectory(prefix="penstock-arrivals-")
            names = dict.fromkeys((source.event_time, source.known_time, *source.key))
            try:
                origin.bring(source, Path(data_root), Path(folder.name), [name for name in names if name])
            except BaseException:
                folder.cleanup()
                raise
            if known:
                known[1].cleanup()
            known = self._brought[place] = (state, folder)
        found = self._levels.since(as_files(source), known[1].name, before, as_of)
        return replace(found, version=int(state)) if isinstance(source.kind, Delta) else found

    def close(self) -> None:
        """Remove the copies."""
        for _, folder in self._brought.values():
            folder.cleanup()
        self._brought.clear()
