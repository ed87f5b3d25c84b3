"""Which rows were pushed to where: digests in a SQLite file, as far as they were taken from the files."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from penstock.datasets.pushing import Event

_SCHEMA = """
CREATE TABLE IF NOT EXISTS streams (id INTEGER PRIMARY KEY, folder TEXT UNIQUE NOT NULL,
    file TEXT NOT NULL DEFAULT '', size INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS rows (stream INTEGER NOT NULL, key BLOB NOT NULL, digest BLOB NOT NULL,
    PRIMARY KEY (stream, key, digest)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS kinds (stream INTEGER NOT NULL, name TEXT NOT NULL, kind TEXT NOT NULL,
    PRIMARY KEY (stream, name)) WITHOUT ROWID;
"""


class Index:
    """What is known of every folder of pushed rows; used by one thread at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._opened: sqlite3.Connection | None = None

    @contextmanager
    def stream(self, folder: str) -> Iterator[Stream]:
        """The rows of a folder; what is added is kept when this ends without an error."""
        if self._opened is None:
            self._opened = opened = sqlite3.connect(self.path, check_same_thread=False)
            opened.execute("PRAGMA journal_mode = WAL")
            opened.execute("PRAGMA synchronous = NORMAL")  # what power cuts off is taken from the files again
            opened.executescript(_SCHEMA)
        with self._opened as connection:
            connection.execute("INSERT OR IGNORE INTO streams (folder) VALUES (?)", (folder,))
            [(number,)] = connection.execute("SELECT id FROM streams WHERE folder = ?", (folder,))
            yield Stream(connection, number)

    def close(self) -> None:
        """Let go of the file."""
        if self._opened:
            self._opened.close()
        self._opened = None


class Stream:
    """The rows of one folder."""

    def __init__(self, connection: sqlite3.Connection, number: int) -> None:
        self._connection = connection
        self._number = number

    def place(self) -> tuple[str, int]:
        """The file up to which rows are known, and how many bytes of it; no name where none are."""
        [(file, size)] = self._connection.execute(
            "SELECT file, size FROM streams WHERE id = ?", (self._number,)
        )
        return file, size

    def kinds(self) -> dict[str, str]:
        """What kind of values each column has."""
        return dict(
            self._connection.execute("SELECT name, kind FROM kinds WHERE stream = ?", (self._number,))
        )

    def rows_of(self, key: bytes) -> set[bytes]:
        """The digests of the rows with a key."""
        found = self._connection.execute(
            "SELECT digest FROM rows WHERE stream = ? AND key = ?", (self._number, key)
        )
        return {digest for (digest,) in found}

    def add(self, events: Sequence[Event], kinds: Mapping[str, str], file: str, size: int) -> None:
        """Know rows, and that all are known up to a place."""
        self._connection.executemany(
            "INSERT OR IGNORE INTO rows VALUES (?, ?, ?)",
            [(self._number, event.key, event.digest) for event in events],
        )
        self._connection.executemany(
            "INSERT OR IGNORE INTO kinds VALUES (?, ?, ?)",
            [(self._number, name, kind) for name, kind in kinds.items()],
        )
        self._connection.execute(
            "UPDATE streams SET file = ?, size = ? WHERE id = ?", (file, size, self._number)
        )

    def forget(self) -> None:
        """Know nothing."""
        self._connection.execute("DELETE FROM rows WHERE stream = ?", (self._number,))
        self._connection.execute("DELETE FROM kinds WHERE stream = ?", (self._number,))
        self._connection.execute("UPDATE streams SET file = '', size = 0 WHERE id = ?", (self._number,))
