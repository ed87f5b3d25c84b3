"""Tables that are one file, whatever is in them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from penstock.core.errors import InvalidValue, NotFound
from penstock.datasets.layout import INFERRED_FROM
from penstock.datasets.listing import FORMATS


def file_table(path: Path) -> pl.LazyFrame:
    """The rows of a CSV, JSON lines or Parquet file. Raises NotFound, InvalidValue for what is no table."""
    if not path.is_file():
        raise NotFound(what=f"There is no file {path}.")
    form = FORMATS.get(path.suffix)
    if not form:
        raise InvalidValue(expected=f"a file that ends in {', '.join(FORMATS)}", found=path.name)
    with readable(path):
        if form == "parquet":
            rows = pl.scan_parquet(path)
        elif form == "csv":
            rows = pl.scan_csv(path, infer_schema_length=INFERRED_FROM, try_parse_dates=True)
        else:
            rows = pl.scan_ndjson(path, infer_schema_length=INFERRED_FROM)
        rows.collect_schema()
    return rows


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """While a file is read as a table. Raises InvalidValue where it turns out to be none."""
    try:
        yield
    except pl.exceptions.PolarsError as error:
        what = f"{path} cannot be read as a table"
        raise InvalidValue(what=what, found=str(error).split("\n")[0]) from error
