"""Past predictions as Parquet: `packed/model=…/environment=…/day=…/`, a file for each segment of the log."""

from __future__ import annotations

import os
import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, date
from pathlib import Path
from typing import Any
from urllib.parse import quote

import polars as pl

from penstock.adapters.predictor.log import PACKED, age
from penstock.core.errors import StorageFailed
from penstock.serving.types import LogRecord

FEW_FILES, SMALL = 16, 8 * 1024 * 1024
"""Files of a day, of fewer bytes than that, before they are made one."""
JOINED = "-joined"
_MADE_OF = "made_of"
_FIXED: dict[str, Any] = {
    "id": pl.String,
    "time": pl.Datetime("us", "UTC"),
    "version": pl.Int64,
    "variant": pl.String,
    "score": pl.Float64,
    "label": pl.String,
}

Place = tuple[str, str, date]
"""Model, environment and day."""


def pack(records: Iterable[LogRecord], folder: Path, name: str) -> None:
    """Keep records as columns below `folder`, in files called `name`; those that are there are replaced.

    A row is a prediction, with the columns of `PredictionLog.table`; numbers are floats, but for whole ones
    in keys. Raises StorageFailed.
    """
    rows: dict[Place, list[dict[str, Any]]] = defaultdict(list)
    for record in records:
        day = record.time.astimezone(UTC).date()
        rows[record.model, record.environment, day].extend(rows_of(record))
    try:
        for place, found in rows.items():
            within = _within(folder, place)
            within.mkdir(parents=True, exist_ok=True)
            _write(as_table(found), within / f"{name}.parquet")
            _join(within)
    except OSError as error:
        raise StorageFailed(
            what="Past predictions cannot be packed", found=str(error), fix="Make room on the disk."
        ) from error


def drop(folder: Path, model: str, environment: str, before: date) -> int:
    """Remove the days before one; gives how many there were."""
    days = _within(folder, (model, environment, before)).parent
    old = [path for path in days.glob("day=*") if date.fromisoformat(path.name.removeprefix("day=")) < before]
    for path in old:
        shutil.rmtree(path)
    return len(old)


def scan(folder: Path, model: str, environment: str, start: date, end: date) -> list[pl.LazyFrame]:
    """What is packed of the days `start <= day < end`, file by file."""
    days = _within(folder, (model, environment, start)).parent
    return [
        pl.scan_parquet(file, hive_partitioning=False)
        for path in sorted(days.glob("day=*"))
        if start <= date.fromisoformat(path.name.removeprefix("day=")) < end
        for file in sorted(path.glob("*.parquet"))
    ]


def rows_of(record: LogRecord) -> Iterator[dict[str, Any]]:
    """The predictions of a record as rows of a table."""
    shared = {"time": record.time, "version": record.version, "variant": record.variant}
    for index, key in enumerate(record.ids):
        inputs = {f"input.{name}": values[index] for name, values in record.inputs.items()}
        for view, lookup in record.lookups.items():
            inputs[f"event.{view}"] = lookup.event[index]
            inputs[f"read.{view}"] = lookup.time
            inputs[f"status.{view}"] = lookup.status[index]
            if lookup.given:
                inputs[f"given.{view}"] = lookup.given.get(index, [])
            inputs |= {f"key.{name}": values[index] for name, values in lookup.key.items()}
        yield {"id": key, **shared, "score": record.score[index], "label": record.label[index], **inputs}


def as_table(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """The rows as a table; an input is of one type in every file, whatever of it was asked there."""
    inputs = dict.fromkeys(name for row in rows for name in row if name not in _FIXED)
    columns = [pl.Series(name, [row[name] for row in rows], kind) for name, kind in _FIXED.items()]
    return pl.DataFrame(columns + [_input(name, [row.get(name) for row in rows]) for name in inputs])


def _input(name: str, values: list[Any]) -> pl.Series:
    kinds = {type(value) for value in values if value is not None}
    if name.startswith(("event.", "read.")):
        return pl.Series(name, values, _FIXED["time"])
    if name.startswith("given."):
        return pl.Series(name, values, pl.List(pl.String))
    if name.startswith("key.") and kinds <= {int}:
        return pl.Series(name, values, pl.Int64)
    if kinds == {bool}:
        return pl.Series(name, values, pl.Boolean)
    if kinds <= {int, float, bool}:
        return pl.Series(name, [None if value is None else float(value) for value in values], pl.Float64)
    return pl.Series(name, [None if value is None else str(value) for value in values], pl.String)


def _join(within: Path) -> None:
    """Make one file of many small ones. It says of which, so that what a kill leaves of them is known."""
    files = sorted(within.glob("*.parquet"), key=lambda file: age(file.stem))
    made_of = {file: set(filter(None, _told(file).split(","))) for file in files}
    left = {file for file in files if any(file.stem in each for each in made_of.values())}
    small = [file for file in files if file not in left and file.stat().st_size < SMALL]
    if len(small) > FEW_FILES:
        newest = small[-1].stem.removesuffix(JOINED)  # so that no writer takes an earlier name again
        whole = within / f"{newest}{JOINED}.parquet"
        names = set[str]().union(*(made_of[file] | {file.stem} for file in small)) - {whole.stem}
        _write(pl.concat(map(pl.read_parquet, small), how="diagonal_relaxed"), whole, ",".join(sorted(names)))
        left |= {*small} - {whole}
    for file in left:
        file.unlink()


def _told(file: Path) -> str:
    """The names of the files of which one was made, with commas."""
    return pl.read_parquet_metadata(file).get(_MADE_OF, "")


def _write(table: pl.DataFrame, path: Path, made_of: str = "") -> None:
    """Write a file that is durable by then: what it was made of is removed next."""
    hidden = path.with_suffix(".new")
    table.write_parquet(hidden, metadata={_MADE_OF: made_of})
    _synced(hidden)
    hidden.rename(path)
    _synced(path.parent)


def _synced(path: Path) -> None:
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _within(folder: Path, place: Place) -> Path:
    model, environment, day = place
    return (
        folder
        / PACKED
        / f"model={quote(model, safe='')}"
        / f"environment={quote(environment, safe='')}"
        / f"day={day}"
    )
