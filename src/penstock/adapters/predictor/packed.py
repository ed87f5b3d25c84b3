"""Past predictions as Parquet: `packed/model=…/environment=…/day=…/`, a file for each segment of the log."""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, date
from pathlib import Path
from typing import Any
from urllib.parse import quote

import polars as pl
from polars._typing import PolarsDataType

from penstock.adapters.predictor.log import PACKED
from penstock.core.errors import StorageFailed
from penstock.serving.types import LogRecord

FEW_FILES = 16
"""Files of a day before they are made one."""
_FIXED: dict[str, PolarsDataType] = {
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

    A row is a prediction: `id`, `time`, `version`, `variant`, `score`, `label`, and `input.NAME` for each
    value that was asked about; numbers are floats. Raises StorageFailed.
    """
    rows: dict[Place, list[dict[str, Any]]] = defaultdict(list)
    for record in records:
        day = record.time.astimezone(UTC).date()
        rows[record.model, record.environment, day].extend(_rows(record))
    try:
        for place, found in rows.items():
            within = _within(folder, place)
            within.mkdir(parents=True, exist_ok=True)
            _write(_table(found), within / f"{name}.parquet")
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


def _rows(record: LogRecord) -> Iterator[dict[str, Any]]:
    shared = {"time": record.time, "version": record.version, "variant": record.variant}
    for index, key in enumerate(record.ids):
        inputs = {f"input.{name}": values[index] for name, values in record.inputs.items()}
        yield {"id": key, **shared, "score": record.score[index], "label": record.label[index], **inputs}


def _table(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """The rows; an input is of one type in every file, whatever of it was asked there."""
    inputs = dict.fromkeys(name for row in rows for name in row if name not in _FIXED)
    columns = [pl.Series(name, [row[name] for row in rows], kind) for name, kind in _FIXED.items()]
    return pl.DataFrame(columns + [_input(name, [row.get(name) for row in rows]) for name in inputs])


def _input(name: str, values: list[Any]) -> pl.Series:
    kinds = {type(value) for value in values if value is not None}
    if kinds == {bool}:
        return pl.Series(name, values, pl.Boolean)
    if kinds <= {int, float, bool}:
        return pl.Series(name, [None if value is None else float(value) for value in values], pl.Float64)
    return pl.Series(name, [None if value is None else str(value) for value in values], pl.String)


def _join(within: Path) -> None:
    """Make one file of many. A kill in between leaves rows twice, which the next join puts right."""
    files = sorted(within.glob("*.parquet"))
    if len(files) <= FEW_FILES:
        return
    tables = [pl.read_parquet(file) for file in files]
    whole = pl.concat(tables, how="diagonal_relaxed").unique("id", keep="first", maintain_order=True)
    _write(whole, files[-1])
    for file in files[:-1]:
        file.unlink()


def _write(table: pl.DataFrame, path: Path) -> None:
    hidden = path.with_suffix(".new")
    table.write_parquet(hidden)
    hidden.rename(path)


def _within(folder: Path, place: Place) -> Path:
    model, environment, day = place
    return (
        folder
        / PACKED
        / f"model={quote(model, safe='')}"
        / f"environment={quote(environment, safe='')}"
        / f"day={day}"
    )
