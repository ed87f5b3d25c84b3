"""Rows of a Delta table at a version."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
from msgspec.structs import replace

from penstock.core.errors import InvalidValue, NotFound, Unavailable
from penstock.datasets.types import Delta, Source

if TYPE_CHECKING:
    from deltalake import DeltaTable


def state(source: Source, data_root: Path) -> str:
    """See `Origin`: the version."""
    return str(_table(source, data_root).version())


def bring(source: Source, data_root: Path, folder: Path, columns: Sequence[str]) -> int:
    """See `Origin`."""
    table = _table(source, data_root)
    try:
        rows = pl.scan_delta(table)
        (rows.select(columns) if columns else rows).sink_parquet(folder / f"{table.version()}.parquet")
    except pl.exceptions.PolarsError as error:
        raise InvalidValue(
            what=f"The Delta table of the source {source.name} cannot be read",
            found=str(error).split("\n")[0][:300],
        ) from error
    return table.version()


def as_it_was(source: Source, data_root: Path, time: datetime) -> Source:
    """The source at the version that was the newest at a time, unless it names one.

    A table that was begun only then is read as it is: its rows say when they were known. Raises as `Origin`.
    """
    kind = source.kind
    assert isinstance(kind, Delta)  # noqa: S101 - `origin_of` gives others to others
    if kind.version is not None:
        return source
    until = time.timestamp() * 1000
    made = [each for each in _table(source, data_root).history() if each["timestamp"] <= until]
    newest = max((each["version"] for each in made), default=None)
    return replace(source, kind=replace(kind, version=newest))


def _table(source: Source, data_root: Path) -> DeltaTable:
    assert isinstance(source.kind, Delta)  # noqa: S101 - `origin_of` gives others to others
    try:
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError, TableNotFoundError
    except ImportError as error:
        raise Unavailable(
            what="To read Delta tables their library must be installed", fix="pip install 'penstock[delta]'"
        ) from error
    place = source.kind.url if "://" in source.kind.url else str(data_root / source.kind.url)
    try:
        return DeltaTable(place, version=source.kind.version)
    except TableNotFoundError:
        raise NotFound(
            what=f"The source {source.name} has no Delta table", found=f"none at {place}"
        ) from None
    except DeltaError as error:
        wanted = "" if source.kind.version is None else f"its version {source.kind.version}"
        raise InvalidValue(
            what=f"The Delta table of the source {source.name} cannot be opened",
            expected=wanted,
            found=str(error).split("\n")[0][:300],
        ) from None
