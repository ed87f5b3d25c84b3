"""The prediction log as the control plane sees it: read while it is written, packed when it is not."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, date
from pathlib import Path

import msgspec
import polars as pl

from penstock.adapters.predictor.log import age, segments_in
from penstock.adapters.predictor.packed import as_table, drop, pack, rows_of, scan
from penstock.core.errors import NotFound
from penstock.serving.types import LogRecord

BATCH = 10_000
"""Records that are read at once to be packed."""


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
        return [path.name for path in sorted(segments_in(self._folder), key=lambda path: age(path.stem))]

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

    def table(self, model: str, environment: str, start: date, end: date) -> pl.LazyFrame:
        """See `PredictionLog.table`."""
        rows = []
        for segment in self.segments():  # before what is packed: else what is packed meanwhile would lack
            with suppress(NotFound):
                rows += [
                    row
                    for record in self._records(segment)
                    if (record.model, record.environment) == (model, environment)
                    and start <= record.time.astimezone(UTC).date() < end
                    for row in rows_of(record)
                ]
        parts = [as_table(rows).lazy(), *scan(self._folder, model, environment, start, end)]
        return pl.concat(parts, how="diagonal_relaxed").unique("id", keep="first")

    def closed(self, segment: str) -> bool:
        """See `PredictionLog.closed`. Raises NotFound."""
        try:
            with (self._folder / segment).open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:  # its writer lives
            return False
        except FileNotFoundError:
            raise NotFound(what=f"The prediction log has no segment {segment}") from None
        return True

    def pack(self, segment: str) -> None:
        """See `PredictionLog.pack`. Raises NotFound."""
        path = self._folder / segment
        pack(self._records(segment), self._folder, path.stem)
        path.unlink()

    def drop(self, model: str, environment: str, before: date) -> int:
        """See `PredictionLog.drop`."""
        return drop(self._folder, model, environment, before)

    def _records(self, segment: str) -> Iterator[LogRecord]:
        offset = 0
        while True:
            records, offset = self.read(segment, offset, BATCH)
            if not records:
                return
            yield from records
