"""SQLite as an engine."""

from __future__ import annotations

import fcntl
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from penstock.adapters.storage.engine import Duplicate
from penstock.core.errors import Corrupt, StorageFailed, Unavailable

BUSY_SECONDS = 30.0
T = TypeVar("T")
_NOTHING = -1
"""What a connection knows of others that has not written yet."""
_IDLE = 8
"""How many connections are kept for later."""
_STATEMENTS = 512
"""How many statements each keeps prepared."""
_CHECKPOINT = 4000
"""Pages of the log after which it is moved into the database, for which a commit waits twice for the disk."""


class SqliteConnection:
    """An `engine.Connection`."""

    def __init__(self, connection: sqlite3.Connection, turn: int = 0) -> None:
        self._connection = connection
        self.turn = turn

    def tables(self) -> list[str]:
        """See `Connection.tables`."""
        return [name for (name,) in self.ask("SELECT name FROM sqlite_schema WHERE type = 'table'")]

    def ask(self, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        """See `Connection.ask`."""
        return self._connection.execute(statement, values).fetchall()

    def write(self, statement: str, rows: Sequence[Sequence[Any]]) -> int:
        """See `Connection.write`."""
        try:
            if len(rows) == 1:
                return self._connection.execute(statement, rows[0]).rowcount
            return self._connection.executemany(statement, rows).rowcount
        except sqlite3.IntegrityError as error:
            if error.sqlite_errorcode in _DUPLICATE:
                raise Duplicate from error
            raise

    @contextmanager
    def all_or_nothing(self, writes: int) -> Iterator[None]:
        """See `Connection.all_or_nothing`."""
        if writes <= 1:  # SQLite takes a failed statement back by itself
            yield
            return
        self._connection.execute("SAVEPOINT writes")
        try:
            yield
        except BaseException:
            if self._connection.in_transaction:  # on a full disk all of it was taken back already
                self._connection.execute("ROLLBACK TO writes")
                self._connection.execute("RELEASE writes")
            raise
        self._connection.execute("RELEASE writes")


class SqliteEngine:
    """An `engine.Engine` on a file, which is made if it is not there."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._idle: list[sqlite3.Connection] = []
        self._writers: list[tuple[sqlite3.Connection, int | None]] = []
        self._watch: sqlite3.Connection | None = None  # writes nothing, so it sees everybody write
        self._watching = threading.Lock()
        self._wrote = 0
        self._turn = 0

    @property
    def url(self) -> str:
        """See `Engine.url`."""
        return f"sqlite:///{self._path}"

    @property
    def name(self) -> str:
        """See `Engine.name`."""
        return str(self._path)

    @contextmanager
    def reading(self) -> Iterator[SqliteConnection]:
        """See `Engine.reading`."""
        with self._connected() as connection:
            connection.execute("BEGIN")
            connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1")  # the snapshot begins with a read
            yield SqliteConnection(connection)

    @contextmanager
    def writing(self) -> Iterator[SqliteConnection]:
        """See `Engine.writing`."""
        with plainly():
            writer, seen = _popped(self._writers) or (self._connect(), _NOTHING)
            self._wrote = threading.get_ident()
            try:
                writer.execute("BEGIN IMMEDIATE")
                before, seen = seen, _version(writer)
                self._turn += 1 if seen == before else 2
                yield SqliteConnection(writer, self._turn)
                writer.execute("COMMIT")
            finally:
                self._put_back(writer, seen)

    def written(self) -> int:
        """See `Engine.written`."""
        with plainly(), self._watching:
            self._watch = self._watch or self._connect()
            return _version(self._watch)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """See `Engine.alone`."""
        with self._path.with_name(f"{self._path.name}-open").open("wb") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)
            yield

    @contextmanager
    def sole(self) -> Iterator[None]:
        """See `Engine.sole`: the file lies in the home, which has one owner."""
        yield

    def close(self) -> None:
        """See `Engine.close`."""
        while self._idle:
            self._idle.pop().close()
        while self._writers:
            self._writers.pop()[0].close()
        with self._watching:
            if self._watch:
                self._watch.close()
            self._watch = None

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        """A connection, whose transaction is rolled back.

        Who wrote last reads on the connection that wrote, which has the pages in memory.
        """
        with plainly():
            mine = _popped(self._writers) if self._wrote == threading.get_ident() else None
            connection, seen = mine or (_popped(self._idle) or self._connect(), None)
            try:
                yield connection
            finally:
                self._put_back(connection, seen)

    def _put_back(self, connection: sqlite3.Connection, seen: int | None) -> None:
        """`seen` is what a connection that has written knew of others then, see `_version`."""
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        if seen is not None and not self._writers:
            self._writers.append((connection, seen))
        elif len(self._idle) < _IDLE:
            self._idle.append(connection)
        else:
            connection.close()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path,
            timeout=BUSY_SECONDS,
            isolation_level=None,  # the driver must not begin transactions of its own
            check_same_thread=False,
            cached_statements=_STATEMENTS,
        )
        try:
            prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection


def _version(connection: sqlite3.Connection) -> int:
    """A number that a connection sees change when another has written: so one writes everything."""
    ((version,),) = connection.execute("PRAGMA data_version").fetchall()
    return int(version)


def _popped(some: list[T]) -> T | None:
    """The last of a list, None if other threads have taken all."""
    try:
        return some.pop()
    except IndexError:
        return None


def prepare(connection: sqlite3.Connection) -> None:
    """Set what a new connection must know.

    In WAL mode NORMAL loses nothing when a process is killed; a power cut may lose the last
    transactions, each of them whole.
    """
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute(f"PRAGMA wal_autocheckpoint={_CHECKPOINT}")


class _Plainly:
    """See `plainly`; it keeps nothing, and costs a third of what a generator does."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.IntegrityError):
            raise _plain(error) from error


_PLAINLY = _Plainly()


def plainly() -> AbstractContextManager[None]:
    """Tell of failures of the database in sentences of our own."""
    return _PLAINLY


_DUPLICATE = (sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY)


def _plain(error: sqlite3.DatabaseError) -> Exception:
    found = str(error)
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY}:
        return StorageFailed(found=found, fix="Free space on the disk of the home directory.")
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_CANTOPEN}:
        return Unavailable(what="The store does not answer", found=found)
    if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
        return Corrupt(what="The store's file is damaged", found=found, fix="Restore it from a backup.")
    return error
