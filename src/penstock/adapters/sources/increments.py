"""Tables with a watermark: each run reads what is new, and keeps it as a part for those that follow."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from penstock.adapters.sources import database
from penstock.core.errors import Corrupt, InvalidValue, NotFound
from penstock.datasets.columns import keeps_corrections
from penstock.datasets.types import Source
from penstock.lineage.ports import Blobs
from penstock.runs.earlier import KEPT

Mark = int | float | datetime | date | str


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """Rows that a run read as of a time: a Parquet file in the blob store, and the greatest watermark in it.

    The watermark is text, which `kind` says how to read.
    """

    digest: str
    last: str
    kind: str
    as_of: datetime


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of a table in the order in which they were read, and how many rows it is known to have."""

    source: Source
    parts: tuple[Part, ...] = ()
    rows: int = 0


class Increments:
    """Reads a table as of a time, given the digest of what an earlier run kept, empty for nothing."""

    def __init__(self, blobs: Blobs, before: str, as_of: datetime) -> None:
        self._blobs = blobs
        self._before = before
        self._as_of = as_of
        self.told: list[str] = []
        """What was noticed: a table that shrank, a watermark that went back, rows that came in below it."""
        self.meta: dict[str, Any] = {}
        """What the snapshot's artifact says for the next run."""

    def bring(self, source: Source, data_root: Path, folder: Path) -> None:
        """Bring the table's rows as of the time to files in a folder. Raises as `Origin`.

        As of a time that has been read, it is what was read until then, whatever the table holds now. Rows
        that say when they became known are all brought: who reads them leaves out what came later.
        """
        kept = self._kept(source)
        parts = [part for part in kept.parts if part.as_of <= self._as_of]
        newest = parts == list(kept.parts)
        there = 0
        if source.known_time and not newest:
            parts = list(kept.parts)
        elif newest or not parts:
            parts, there = self._read_on(source, data_root, parts, kept.rows)
        self._lay_out(source, parts, folder)
        if newest:
            rows = _count(source, folder)
            if rows < there and self._repeats_keys(source, parts[0]):
                rows = there
            made = Kept(source=_as_declared(source), parts=tuple(parts), rows=rows)
            self.meta = {KEPT: self._blobs.put(msgspec.json.encode(made))}
        else:
            self.leave()

    def leave(self) -> None:
        """Hand on what is known of the table, as who reads the past only does."""
        self.meta = {KEPT: self._before} if self._before else {}

    def _kept(self, source: Source) -> Kept:
        """What is there of the same table; nothing where any of it is gone."""
        nothing = Kept(source=_as_declared(source))
        if not self._before:
            return nothing
        try:
            found = msgspec.json.decode(self._blobs.get(self._before), type=Kept)
        except (NotFound, Corrupt):
            return nothing
        whole = all(self._blobs.has(part.digest) for part in found.parts)
        return found if whole and found.source == nothing.source else nothing

    def _read_on(
        self, source: Source, data_root: Path, parts: Sequence[Part], known: int
    ) -> tuple[list[Part], int]:
        """The parts, and one of the rows that are new; only this one where the table is not what it was. And
        how many rows the table has.
        """
        last = _mark(parts[-1]) if parts else None
        there = database.standing(source, data_root, last)
        if last is not None and (why := _doubt(there, last, known)):
            self.told.append(f"{source.name}: {why}; it is read anew")
            parts, last = [], None
        if there.greatest is None:
            raise InvalidValue(what=f"The source {source.name} has no rows with a watermark.")
        if last is not None and there.greatest == last:
            return list(parts), there.rows
        with tempfile.TemporaryDirectory(prefix="penstock-part-") as name:
            fresh = Path(name)
            database.bring_newer(source, data_root, fresh, last, there.greatest)
            path = fresh / "part"
            pieces = [pl.scan_parquet(piece) for piece in sorted(fresh.glob("*.parquet"))]
            pl.concat(pieces, how="diagonal_relaxed").sink_parquet(path)
            digest = self._blobs.put_file(str(path))
        kind, text = _written(source, there.greatest)
        return [*parts, Part(digest=digest, last=text, kind=kind, as_of=self._as_of)], there.rows

    def _repeats_keys(self, source: Source, part: Part) -> bool:
        """Whether a table keeps a row beside those that correct it, as the part shows: what was read at once.

        One whose rows are changed in their place has a row for each key, however many versions were read.
        """
        keys = pl.scan_parquet(self._blobs.path(part.digest)).select(source.key)
        rows, different = (each.select(pl.len()).collect().item() for each in (keys, keys.unique()))
        return bool(different < rows)

    def _lay_out(self, source: Source, parts: Sequence[Part], folder: Path) -> None:
        """The parts as files; of rows with the same key the last read only, unless all are to be kept."""
        paths = [self._blobs.path(part.digest) for part in parts]
        if not source.key or keeps_corrections(source):
            for number, path in enumerate(paths):
                (folder / f"{number:06d}.parquet").symlink_to(path)
            return
        mark = source.kind.watermark  # type: ignore[union-attr]  # only such sources come here
        rows = pl.concat([pl.scan_parquet(path) for path in paths], how="diagonal_relaxed")
        newest = rows.sort(mark, maintain_order=True).unique(source.key, keep="last", maintain_order=True)
        newest.sink_parquet(folder / "rows.parquet")


def _doubt(there: database.Standing, last: Any, known: int) -> str:
    """Why a table cannot be read on, empty where it can."""
    if there.greatest is None or there.greatest < last:
        return f"its watermark went back from {last} to {there.greatest}"
    if there.rows < known:
        return f"it shrank from {known:,} rows to {there.rows:,}"
    if there.below > known:
        return f"{there.below - known:,} rows came in below its watermark {last}"
    return ""


def _count(source: Source, folder: Path) -> int:
    """How many rows lie in a folder, or keys where these identify them."""
    rows = pl.scan_parquet(folder / "*.parquet", missing_columns="insert", extra_columns="ignore")
    found = rows.select(source.key).unique() if source.key else rows
    return int(found.select(pl.len()).collect().item())


def _as_declared(source: Source) -> Source:
    """The source without its address, which may hold a password."""
    kind = source.kind
    return msgspec.structs.replace(source, kind=msgspec.structs.replace(kind, url=""))  # type: ignore[type-var]


def _written(source: Source, mark: Any) -> tuple[str, str]:
    for moment in (datetime, date):
        if isinstance(mark, moment):
            return moment.__name__, mark.isoformat()
    for plain in (int, float, str):
        if isinstance(mark, plain):
            return plain.__name__, str(mark)
    raise InvalidValue(
        what=f"The watermark of the source {source.name} cannot be one",
        expected="a number, a time or a text",
        found=type(mark).__name__,
    )


def _mark(part: Part) -> Mark:
    readers: dict[str, Any] = {"datetime": datetime.fromisoformat, "date": date.fromisoformat}
    readers |= {"int": int, "float": float, "str": str}
    found: Mark = readers[part.kind](part.last)
    return found
