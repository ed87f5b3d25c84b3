"""Rows of a table or a query of a database that SQLAlchemy reaches."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import sqlalchemy as sa

from penstock.core.errors import InvalidValue, NotFound, Unavailable
from penstock.core.words import meant
from penstock.datasets.types import Source, Sql

PART = 50_000
"""Rows that are fetched at once: more are never in memory."""
_NUMBERS, _TEXTS = (Decimal,), (uuid.UUID, bytes, memoryview, dict, list)
_DRIVERS = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}


def state(source: Source, data_root: Path) -> str:
    """See `Origin`: how many rows there are, and the newest of their times, which tell of new rows."""
    with _connected(source, data_root) as connection:
        names = [name for name in (source.known_time, source.event_time) if name]
        rows = _rows(connection, source)
        newest: list[Any] = [sa.func.max(sa.column(name)) for name in names]
        found = connection.execute(sa.select(sa.func.count(), *newest).select_from(rows)).one()
        return " ".join(map(str, found))


def bring(source: Source, data_root: Path, folder: Path, columns: Sequence[str]) -> None:
    """See `Origin`. The rows are those of one statement, so that no other transaction is seen in half."""
    with _connected(source, data_root) as connection:
        chosen: list[Any] = [sa.column(name) for name in columns] or [sa.text("*")]
        _brought(connection, sa.select(*chosen).select_from(_rows(connection, source)), folder)


class Standing(NamedTuple):
    """How many rows with a watermark there are, how many up to one that is known, and the greatest."""

    rows: int
    below: int
    greatest: Any


def standing(source: Source, data_root: Path, known: Any) -> Standing:
    """How a table stands to a watermark, None for none. Raises as `state`."""
    with _connected(source, data_root) as connection:
        mark, rows = _mark(source), _rows(connection, source)
        greatest, count = connection.execute(
            sa.select(sa.func.max(mark), sa.func.count(mark)).select_from(rows)
        ).one()
        below = 0
        if known is not None:
            counted = sa.select(sa.func.count()).select_from(rows).where(mark <= known)
            below = connection.execute(counted).scalar_one()
        return Standing(count, below, greatest)


def bring_newer(source: Source, data_root: Path, folder: Path, known: Any, last: Any) -> None:
    """Bring the rows with a watermark above `known`, None for all, and up to `last`. Raises as `state`."""
    with _connected(source, data_root) as connection:
        mark = _mark(source)
        rows = sa.select(sa.text("*")).select_from(_rows(connection, source)).where(mark <= last)
        _brought(connection, rows if known is None else rows.where(mark > known), folder)


def _mark(source: Source) -> Any:
    assert isinstance(source.kind, Sql)  # noqa: S101 - as above
    return sa.column(source.kind.watermark)


def _brought(connection: sa.Connection, rows: Any, folder: Path) -> None:
    result = connection.execution_options(stream_results=True, yield_per=PART).execute(rows)
    names = list(result.keys())
    number = 0
    for number, part in enumerate(result.partitions(PART), 1):
        _write(names, part, folder / f"{number:06d}.parquet")
    if not number:
        _write(names, [], folder / "000000.parquet")


def _rows(connection: sa.Connection, source: Source) -> Any:
    kind = source.kind
    assert isinstance(kind, Sql)  # noqa: S101 - `origin_of` gives others to others
    if kind.query:
        literal = kind.query.rstrip().rstrip(";").replace(":", r"\:")  # there are no parameters
        return sa.text(f"({literal}\n) AS penstock_rows")  # the last line may be a comment
    schema, _, name = kind.table.rpartition(".")
    found = sa.inspect(connection)
    if not (found.has_table(name, schema=schema or None) or name in found.get_view_names(schema or None)):
        raise NotFound(
            what=f"The database of the source {source.name} has no table {kind.table!r}.",
            fix=meant(name, found.get_table_names(schema or None)),
        )
    return sa.table(name, schema=schema or None)


def _write(names: list[str], rows: Sequence[Any], path: Path) -> None:
    columns = zip(*rows, strict=True) if rows else ([] for _ in names)
    made = [
        pl.Series(name, _plain(list(values)), strict=False)
        for name, values in zip(names, columns, strict=True)
    ]
    pl.DataFrame(made).write_parquet(path)


def _plain(values: list[Any]) -> list[Any]:
    """Values as columns hold them: exact decimals as numbers, identifiers and documents as text."""
    kinds = {type(value) for value in values}
    if any(issubclass(kind, _NUMBERS) for kind in kinds):
        return [float(value) if isinstance(value, _NUMBERS) else value for value in values]
    if any(issubclass(kind, _TEXTS) for kind in kinds):
        return [_text(value) for value in values]
    return values


def _text(value: Any) -> Any:
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    return str(value) if isinstance(value, _TEXTS) else value


@contextmanager
def _connected(source: Source, data_root: Path) -> Iterator[sa.Connection]:
    """A connection, with what goes wrong told in a sentence without the password."""
    assert isinstance(source.kind, Sql)  # noqa: S101 - see above
    try:
        url = sa.make_url(source.kind.url)
        url = _in_the_data_root(url, data_root, source)
        engine = sa.create_engine(url.set(drivername=_DRIVERS.get(url.drivername, url.drivername)))
    except (sa.exc.ArgumentError, ModuleNotFoundError) as error:
        raise InvalidValue(
            what=f"The source {source.name} names no database that can be reached",
            expected="an address such as postgresql://HOST/DATABASE, whose driver is installed",
            found=str(error).split("\n")[0][:200] if isinstance(error, ModuleNotFoundError) else "",
        ) from None
    try:
        with engine.connect() as connection:
            yield connection
    except sa.exc.OperationalError as error:
        raise Unavailable(
            what=f"The database of the source {source.name} does not answer", found=_first(error)
        ) from None
    except sa.exc.SQLAlchemyError as error:
        raise InvalidValue(
            what=f"The rows of the source {source.name} cannot be selected", found=_first(error)
        ) from None
    finally:
        engine.dispose()


def _in_the_data_root(url: sa.URL, data_root: Path, source: Source) -> sa.URL:
    """A SQLite file relative to the data root. Raises NotFound: SQLite would make one that is not there."""
    if not url.drivername.startswith("sqlite") or not url.database:
        return url
    path = data_root / url.database
    if not path.is_file():
        raise NotFound(what=f"The database of the source {source.name} is not there.", found=str(path))
    return url.set(database=str(path))


def _first(error: sa.exc.SQLAlchemyError) -> str:
    text = str(getattr(error, "orig", None) or error)
    return " ".join(line.strip() for line in text.splitlines()[:2])[:300]
