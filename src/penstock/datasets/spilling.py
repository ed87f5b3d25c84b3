"""Rows that are put aside on the disk in parts, for work on more of them than memory holds."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from io import BytesIO
from types import TracebackType
from typing import Self

import polars as pl
from polars.io.plugins import register_io_source

from penstock.core.errors import StorageFailed

HELD = 1 << 27
"""Values of a table that are held in memory at once before it is put aside: a gigabyte of numbers."""
_PART = "penstock.part"
_PIECE = 1 << 18
_PIECE_VALUES = 1 << 24


class Spilled:
    """Rows in numbered parts, each in the order in which they were put there.

    They lie in a file without a name, so that nothing stays of it however the process ends; `TMPDIR` says
    where.
    """

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__
        self._pieces: dict[int, list[tuple[int, int]]] = {}
        self._end = 0

    def __enter__(self) -> Self:
        """Nothing is needed."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        """Let go of all rows."""
        self.close()

    def close(self) -> None:
        """Let go of all rows."""
        self._file.close()

    def put(self, rows: pl.DataFrame, part: int = 0) -> None:
        """Append rows to a part. Raises StorageFailed on a full disk."""
        data = BytesIO()
        rows.write_ipc(data)
        append(self._file.fileno(), data.getbuffer())
        self._pieces.setdefault(part, []).append((self._end, data.tell()))
        self._end += data.tell()

    def scatter(self, rows: pl.DataFrame, parts: pl.Series) -> None:
        """Append each of n rows to the part that is said of it, shape (n,). Raises StorageFailed."""
        rows = rows.with_columns(parts.alias(_PART))
        for (part,), own in rows.partition_by(_PART, as_dict=True, include_key=False).items():
            self.put(own, part)

    def pieces(self, part: int = 0) -> Iterator[pl.DataFrame]:
        """The rows of a part, as they were put there."""
        for start, length in self._pieces.get(part, ()):
            yield pl.read_ipc(os.pread(self._file.fileno(), length, start))

    def rows(self, part: int) -> pl.DataFrame | None:
        """All rows of a part; None where there are none."""
        found = list(self.pieces(part))
        return pl.concat(found) if found else None


def append(file: int, data: memoryview) -> None:
    """Write all of some bytes to a file that is put aside. Raises StorageFailed."""
    try:
        while data:
            data = data[os.write(file, data) :]
    except OSError as error:
        raise StorageFailed(
            what="A table that is larger than memory cannot be put aside on the disk",
            found=f"{error.strerror} in {tempfile.gettempdir()}",
            fix="Make room there, or let TMPDIR name another folder.",
        ) from error


def piece_of(schema: pl.Schema) -> int:
    """How many rows of a table are looked at together: fewer of a wide one."""
    return max(1, min(_PIECE, _PIECE_VALUES // max(1, len(schema))))


def held(pieces: Iterator[pl.DataFrame], most: int) -> tuple[list[pl.DataFrame], bool]:
    """The first pieces of a table, of about `most` values; and whether that is all of it."""
    found: list[pl.DataFrame] = []
    values = 0
    for piece in pieces:
        found.append(piece)
        values += piece.height * piece.width
        if values > most:
            return found, False
    return found, True


def lazily(pieces: Callable[[], Iterator[pl.DataFrame]], schema: pl.Schema) -> pl.LazyFrame:
    """A table that is never in memory as a whole; its pieces are asked for whenever it is read."""

    def source(
        columns: list[str] | None, predicate: pl.Expr | None, most: int | None, batch: int | None
    ) -> Iterator[pl.DataFrame]:
        del batch
        left = most
        for piece in pieces():
            some = piece if columns is None else piece.select(columns)
            some = some if predicate is None else some.filter(predicate)
            some = some if left is None else some.head(left)
            yield some
            left = None if left is None else left - some.height
            if left == 0:
                break

    return register_io_source(source, schema=schema)
