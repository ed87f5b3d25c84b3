"""Online values in a SQLite file, which several processes read and write.

It is read and written by apsw alone: where two libraries have one file open in a process, one lets go of the
other's locks.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import apsw

from penstock.core.errors import StorageFailed, Unavailable
from penstock.features.records import STAMP

PATIENCE = 10.0
"""Seconds that a write waits for another process's."""
MAPPED = 1 << 30
"""Bytes of the file that are read where they lie in memory, without a call of the system for each page."""
AT_ONCE = 5_000
"""Entities among which one call removes records: who writes waits meanwhile."""
_MARKS = (1 << 31) - 1
_SCHEMA = """CREATE TABLE IF NOT EXISTS features
(key BLOB NOT NULL, view TEXT NOT NULL, record BLOB NOT NULL, PRIMARY KEY (key, view)) WITHOUT ROWID"""
_WRITE = f"""INSERT INTO features VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET record = excluded.record
WHERE substr(excluded.record, 1, {STAMP}) >= substr(record, 1, {STAMP})"""  # noqa: S608 - a number of ours

_LAST = "SELECT max(key) FROM (SELECT DISTINCT key FROM features WHERE key > ? ORDER BY key LIMIT ?)"
_REMOVE = "DELETE FROM features WHERE key > ? AND key <= ? AND view = ?"


_RECORD = "(SELECT record FROM features WHERE key = ?1 AND view = ?{})"


@cache
def _records(views: int) -> str:
    """The question for the records of a key in so many views: one row. `IN` would sort them each time."""
    return "SELECT " + ", ".join(_RECORD.format(place + 2) for place in range(views))


class SqliteOnline:
    """An `OnlineStore` in one table: all views of an entity lie beside each other."""

    def __init__(self, path: Path) -> None:
        """The file is made when it is first used."""
        self._path = path
        self._taken = threading.Lock()
        self._opened: apsw.Connection | None = None
        self._readers: list[apsw.Connection] = []
        self._mine = threading.local()

    def read(self, keys: Sequence[bytes], views: Sequence[str]) -> list[Sequence[bytes | None]]:
        """See `OnlineStore`: each thread on a connection of its own, so that none waits for another.

        Many keys are read as they are at one moment: to begin and end a read takes longer than a key's. An
        answer is taken whole, for only then is the read at its end.
        """
        records = _records(len(views))
        try:
            execute = getattr(self._mine, "execute", None) or self._reader()
            if len(keys) == 1:
                [row] = execute(records, (keys[0], *views))
                return [row]
            execute("BEGIN")
            try:
                return [row for key in keys for row in execute(records, (key, *views))]
            finally:
                execute("COMMIT")
        except apsw.Error as error:
            raise self._unreadable(error) from error

    def write(self, view: str, rows: Sequence[tuple[bytes, bytes]]) -> int:
        """See `OnlineStore`."""
        with self._taken:
            try:
                connection = self._connection()
                before = connection.total_changes()
                with _changing(connection):
                    connection.executemany(_WRITE, ((key, view, record) for key, record in rows))
            except apsw.Error as error:
                raise StorageFailed(
                    what="The online store cannot be written", found=f"{error} in {self._path}"
                ) from error
            return connection.total_changes() - before

    def remove(self, view: str, since: str) -> str:
        """See `OnlineStore`: a place is the last key that was looked at, in hexadecimal digits."""
        after = bytes.fromhex(since)
        with self._taken:
            try:
                connection = self._connection()
                [(last,)] = connection.execute(_LAST, (after, AT_ONCE))
                if last is not None:
                    with _changing(connection):
                        connection.execute(_REMOVE, (after, last, view))
            except apsw.Error as error:
                raise StorageFailed(
                    what="The online store cannot be written", found=f"{error} in {self._path}"
                ) from error
        return last.hex() if last else ""

    def at_hand(self) -> bool:
        """See `OnlineStore`: once the file is there, which may have to wait for one who writes."""
        return self._opened is not None

    def contents(self) -> str:
        """See `OnlineStore`."""
        with self._taken:
            try:
                mark = self._connection().pragma("user_version")
            except apsw.Error as error:
                raise self._unreadable(error) from error
            return str(mark)

    def close(self) -> None:
        """See `OnlineStore`."""
        with self._taken:
            for each in (self._opened, *self._readers):
                if each:
                    each.close()
            self._opened, self._readers, self._mine = None, [], threading.local()

    def _reader(self) -> Callable[..., Any]:
        """What this thread reads with; kept, for making one takes a tenth of a read."""
        with self._taken:
            self._connection()
            reader = _connect(self._path)
            self._readers.append(reader)
            self._mine.execute = execute = reader.cursor().execute
            return execute

    def _connection(self) -> apsw.Connection:
        if self._opened is None:
            opened = _connect(self._path)
            try:
                opened.pragma("journal_mode", "wal")
                opened.pragma("synchronous", "full")  # what is written is durable before it is said to be
                with _changing(opened):
                    opened.execute(_SCHEMA)
                    if opened.pragma("user_version") == 0:
                        opened.pragma("user_version", secrets.randbelow(_MARKS) + 1)
            except BaseException:
                opened.close()
                raise
            self._opened = opened
        return self._opened

    def _unreadable(self, error: apsw.Error) -> Unavailable:
        return Unavailable(what="The online store cannot be read", found=f"{error} in {self._path}")


@contextmanager
def _changing(connection: apsw.Connection) -> Iterator[None]:
    """All that is written meanwhile, or nothing. apsw's own `with` waits for other writers without letting
    other threads run, one of which may be that writer.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _connect(path: Path) -> apsw.Connection:
    connection = apsw.Connection(str(path))
    connection.set_busy_timeout(round(PATIENCE * 1000))
    connection.pragma("mmap_size", MAPPED)
    return connection
