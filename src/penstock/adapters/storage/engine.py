"""What is special about each database engine, and nothing else: connecting, beginning, failing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, IntegrityError

from penstock.core.errors import Corrupt, StorageFailed, Unavailable

BUSY_SECONDS = 30.0


def connect(path: Path) -> Engine:
    """An engine on a SQLite file, which is made if it is not there."""
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": BUSY_SECONDS})
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A connection on a snapshot, rolled back at the end."""
    with _told_plainly(), engine.connect() as connection:
        connection.begin()
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A connection that is the only writer, committed at the end or rolled back on an exception."""
    writer = engine.execution_options(penstock_writes=True)
    with _told_plainly(), writer.begin() as connection:
        yield connection


@contextmanager
def all_or_nothing(connection: Connection, writes: int) -> Iterator[None]:
    """Several writes of which none stays if one fails, though the transaction goes on."""
    if writes <= 1:  # SQLite takes a failed statement back by itself
        yield
        return
    savepoint = connection.begin_nested()
    try:
        yield
    except BaseException:
        driver: Any = connection.connection.driver_connection
        if driver.in_transaction:  # on a full disk SQLite has taken the whole transaction back already
            savepoint.rollback()
        raise
    savepoint.commit()


def is_duplicate(error: IntegrityError) -> bool:
    """Whether a value was taken that must be unique."""
    code = getattr(error.orig, "sqlite_errorcode", 0)
    return code in {sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY}


def _prepare(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None  # the driver must not begin transactions of its own
    # In WAL mode NORMAL loses nothing when a process is killed; a power cut may lose the last
    # transactions, each of them whole.
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("PRAGMA foreign_keys=ON")


def _begin(connection: Connection) -> None:
    if connection.get_execution_options().get("penstock_writes"):
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        connection.exec_driver_sql("BEGIN")
        connection.exec_driver_sql("SELECT 1 FROM sqlite_schema LIMIT 1")  # the snapshot begins with a read


@contextmanager
def _told_plainly() -> Iterator[None]:
    try:
        yield
    except IntegrityError:
        raise
    except DBAPIError as error:
        raise _plain(error) from error


def _plain(error: DBAPIError) -> Exception:
    found = str(error.orig)
    code = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF
    if code in {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY}:
        return StorageFailed(found=found, fix="Free space on the disk of the home directory.")
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_CANTOPEN}:
        return Unavailable(what="The store does not answer", found=found)
    if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
        return Corrupt(what="The store's file is damaged", found=found, fix="Restore it from a backup.")
    return error
