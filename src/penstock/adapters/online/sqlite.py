"""Online values in a SQLite file, which several processes read and write."""

from __future__ import annotations

import secrets
import sqlite3
import threading
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

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
        self._opened: sqlite3.Connection | None = None
        self._readers: list[sqlite3.Connection] = []
        self._mine = threading.local()

    def read(self, keys: Sequence[bytes], views: Sequence[str]) -> list[Sequence[bytes | None]]:
        """See `OnlineStore`: each thread on a connection of its own, so that none waits for another.

        Many keys are read as they are at one moment: to begin and end a read takes longer than a key's.
        """
        records = _records(len(views))
        try:
            execute = getattr(self._mine, "execute", None) or self._reader()
            if len(keys) == 1:
                return [execute(records, (keys[0], *views)).fetchone()]
            execute("BEGIN")
            try:
                return [execute(records, (key, *views)).fetchone() for key in keys]
            finally:
                execute("COMMIT")
        except sqlite3.DatabaseError as error:
            raise self._unreadable(error) from error

    def write(self, view: str, rows: Sequence[tuple[bytes, bytes]]) -> int:
        """See `OnlineStore`."""
        with self._taken:
            try:
                connection = self._connection()
                before = connection.total_changes
                with connection:
                    connection.executemany(_WRITE, ((key, view, record) for key, record in rows))
            except sqlite3.DatabaseError as error:
                raise StorageFailed(
                    what="The online store cannot be written", found=f"{error} in {self._path}"
                ) from error
            return connection.total_changes - before

    def remove(self, view: str, since: str) -> str:
        """See `OnlineStore`: a place is the last key that was looked at, in hexadecimal digits."""
        after = bytes.fromhex(since)
        with self._taken:
            try:
                connection = self._connection()
                [(last,)] = connection.execute(_LAST, (after, AT_ONCE))
                if last is not None:
                    with connection:
                        connection.execute(_REMOVE, (after, last, view))
            except sqlite3.DatabaseError as error:
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
                [(mark,)] = self._connection().execute("PRAGMA user_version")
            except sqlite3.DatabaseError as error:
                raise self._unreadable(error) from error
            return str(mark)

    def close(self) -> None:
        """See `OnlineStore`."""
        with self._taken:
            for each in (self._opened, *self._readers):
                if each:
                    each.close()
            self._opened, self._readers, self._mine = None, [], threading.local()

    def _reader(self) -> Callable[..., sqlite3.Cursor]:
        """What this thread reads with; kept, for making one takes a tenth of a read."""
        with self._taken:
            self._connection()
            reader = sqlite3.connect(
                self._path, timeout=PATIENCE, isolation_level=None, check_same_thread=False
            )
            self._readers.append(reader)
            reader.execute(f"PRAGMA mmap_size = {MAPPED}")
            self._mine.execute = execute = reader.cursor().execute
            return execute

    def _connection(self) -> sqlite3.Connection:
        if self._opened is None:
            opened = sqlite3.connect(self._path, timeout=PATIENCE, check_same_thread=False)
            try:
                opened.execute("PRAGMA journal_mode = WAL")
                opened.execute(f"PRAGMA mmap_size = {MAPPED}")
                opened.execute(
                    "PRAGMA synchronous = FULL"
                )  # what is written is durable before it is said to be
                with opened:
                    opened.execute("BEGIN IMMEDIATE")
                    opened.execute(_SCHEMA)
                    if opened.execute("PRAGMA user_version").fetchone() == (0,):
                        opened.execute(f"PRAGMA user_version = {secrets.randbelow(_MARKS) + 1}")
            except BaseException:
                opened.close()
                raise
            self._opened = opened
        return self._opened

    def _unreadable(self, error: sqlite3.Error) -> Unavailable:
        return Unavailable(what="The online store cannot be read", found=f"{error} in {self._path}")
