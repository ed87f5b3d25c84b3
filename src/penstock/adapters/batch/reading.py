"""Files of rows, whole chunks at a time, each with the number of its first row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import polars as pl

from penstock.core.errors import InvalidValue, NotFound

FORMATS = {".csv": "csv", ".jsonl": "ndjson", ".ndjson": "ndjson", ".parquet": "parquet"}
"""What files may hold, by how their names end."""
_LOOKED_AT = 10_000
"""Lines of JSON that decide about the types of columns."""


class Chunk(NamedTuple):
    """Rows of a file. `broken` are the numbers of those that could not be read, with the reason."""

    first: int
    rows: pl.DataFrame
    broken: dict[int, str]


def format_of(path: Path) -> str:
    """`csv`, `ndjson` or `parquet`. Raises InvalidValue for another ending."""
    found = FORMATS.get(path.suffix.lower())
    if not found:
        raise InvalidValue(
            expected=f"a file that ends in {', '.join(FORMATS)}", found=path.name, fix="Convert it first."
        )
    return found


def names_of(path: Path) -> list[str]:
    """The columns of a file. Raises NotFound, and InvalidValue for what is no table."""
    if not path.is_file():
        raise NotFound(what=f"There is no file {path}.")
    try:
        return (_schema(path) if format_of(path) == "ndjson" else _scan(path).collect_schema()).names()
    except pl.exceptions.PolarsError as error:
        raise InvalidValue(
            what=f"{path} cannot be read as a table", found=str(error).split("\n")[0]
        ) from error


def count_of(path: Path) -> int:
    """How many rows a file has, with those that cannot be read."""
    if format_of(path) == "ndjson":
        with path.open("rb") as lines:
            return sum(1 for _ in lines)
    counted: int = _scan(path).select(pl.len()).collect().item()
    return counted


def chunks_of(path: Path, size: int, skip: int) -> Iterator[Chunk]:
    """The rows of a file, `size` at a time in their order, without the first `skip` chunks.

    Cells of CSV are text. Raises InvalidValue when the file turns out to be no table.
    """
    try:
        yield from (_lines if format_of(path) == "ndjson" else _batches)(path, size, skip)
    except pl.exceptions.PolarsError as error:
        raise InvalidValue(
            what=f"{path} cannot be read as a table", found=str(error).split("\n")[0]
        ) from error


def _scan(path: Path) -> pl.LazyFrame:
    return pl.scan_csv(path, infer_schema=False) if format_of(path) == "csv" else pl.scan_parquet(path)


def _batches(path: Path, size: int, skip: int) -> Iterator[Chunk]:
    first, held, rows = skip * size, [], 0
    batches = _scan(path).slice(first).collect_batches(chunk_size=size, maintain_order=True)
    for batch in batches:
        held.append(batch)
        rows += batch.height
        while rows >= size:
            whole = pl.concat(held)
            yield Chunk(first, whole[:size], {})
            held, first, rows = [whole[size:]], first + size, rows - size
    if rows:
        yield Chunk(first, pl.concat(held), {})


def _lines(path: Path, size: int, skip: int) -> Iterator[Chunk]:
    schema, first = _schema(path), skip * size
    with path.open("rb") as file:
        lines = islice(file, first, None)
        while part := list(islice(lines, size)):
            rows, broken = _objects(part, first)
            yield Chunk(first, pl.DataFrame(rows, schema=schema, strict=False), broken)
            first += len(part)


def _schema(path: Path) -> pl.Schema:
    """The columns of JSON lines, by the first of them."""
    with path.open("rb") as file:
        rows, broken = _objects(islice(file, _LOOKED_AT), 0)
    good = [row for number, row in enumerate(rows) if number not in broken]
    return pl.DataFrame(good, infer_schema_length=None, strict=False).schema


def _objects(lines: Iterable[bytes], first: int) -> tuple[list[dict[str, Any]], dict[int, str]]:
    """A row for each line, empty where it is none, and by their numbers why these are not."""
    rows: list[dict[str, Any]] = []
    broken: dict[int, str] = {}
    for number, line in enumerate(lines, first):
        try:
            rows.append(msgspec.json.decode(line, type=dict[str, Any]))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            rows.append({})
            broken[number] = f"the line is no JSON object: {error}"
    return rows, broken
