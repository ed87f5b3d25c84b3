"""Feature views that are written in SQL: DuckDB asks the rows of the source, which the query calls `rows`."""

from __future__ import annotations

import inspect
import re
import tempfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.core.errors import InvalidPipeline, InvalidValue, Unavailable

if TYPE_CHECKING:
    import polars as pl

_BEGINS = re.compile(r"(?:\s|--[^\n]*\n|/\*.*?\*/)*(?:select|with|from)\b", re.IGNORECASE | re.DOTALL)
_SETTINGS = (
    "SET TimeZone = 'UTC'",
    "SET threads = 1",  # a step has one processor, and groups come in the same order every time
    "SET temp_directory = '{folder}'",
    "SET allowed_directories = ['{folder}']",
    "SET enable_external_access = false",  # features are made of the source's rows, and of nothing else
    "SET lock_configuration = true",
)


def read_query(name: str, function: Callable[..., object]) -> str:
    """The query that the function of a feature view gives, none where it takes rows.

    Raises InvalidPipeline where it gives anything else.
    """
    if inspect.signature(function).parameters:
        return ""
    text = function()
    if not isinstance(text, str) or not _BEGINS.match(text):
        raise InvalidPipeline(
            what=f"The feature view {name} takes no rows, and gives no query of them",
            expected='SQL such as "SELECT shop, at, people FROM rows"; or a function of rows',
            found=repr(text)[:60],
        )
    return text.strip().rstrip(";")


def asked(name: str, query: str, rows: pl.LazyFrame) -> pl.LazyFrame:
    """What a query makes of rows, in the order of DuckDB; decimals are numbers.

    The rows lie in a file meanwhile, and may be larger than memory. Raises InvalidValue where the query
    fails, and Unavailable without DuckDB.
    """
    try:
        duckdb: Any = import_module("duckdb")  # only such views need it, and only when they are asked
    except ImportError as error:
        raise Unavailable(
            what=f"The feature view {name} is written in SQL, which takes DuckDB",
            fix="Add duckdb to the dependencies of the project, or pip install 'penstock[duckdb]'.",
        ) from error
    with tempfile.TemporaryDirectory(prefix="penstock-query-") as folder:
        given, made = Path(folder, "rows.parquet"), Path(folder, "made.parquet")
        rows.sink_parquet(given)
        try:
            with duckdb.connect() as database:
                for setting in _SETTINGS:
                    database.execute(setting.format(folder=folder))
                if len(duckdb.extract_statements(query)) != 1:
                    raise InvalidValue(
                        what=f"The query of the feature view {name} is more than one statement."
                    )
                database.execute(f"CREATE VIEW rows AS FROM read_parquet('{given}')")
                database.execute(f"COPY (\n{query}\n) TO '{made}' (FORMAT parquet)")
        except duckdb.Error as error:
            raise InvalidValue(
                what=f"The query of the feature view {name} fails", found=" ".join(str(error).split())[:300]
            ) from error
        polars: Any = import_module("polars")  # to declare a view takes none
        table: pl.DataFrame = polars.read_parquet(made)
    return table.lazy().with_columns(polars.selectors.decimal().cast(polars.Float64))
