"""PostgreSQL as an engine, which several machines reach."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from itertools import count
from threading import Lock
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import TransactionStatus

from penstock.adapters.storage.engine import Duplicate
from penstock.core.errors import Conflict, InvalidValue, StorageFailed, Unavailable

ADDRESS = "postgresql://USER:PASSWORD@HOST/DATABASE"
PATIENCE = 20.0
"""Seconds for which a server that has gone away is asked again, before a transaction begins."""
PAUSE = 0.1
CONNECT_SECONDS = 10
_IDLE = 8
"""How many connections are kept for later."""
_WRITING, _ALTERING, _DECIDING = 0x70656E73746F636B, 0x70656E73746F636C, 0x70656E73746F636D
"""The advisory locks of whoever writes, of whoever looks after the schema, and of the one system that runs:
`penstock` in letters.
"""
GLANCES = 20
"""How often that of the system is tried, at each `PAUSE`: one that was killed has it for an instant."""

_SESSION = (
    "SET lock_timeout = '30s'; "
    # A machine that is gone without a word lets go of what it held within a minute.
    "SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3"
)
ALONE = f"SELECT pg_advisory_xact_lock({_WRITING})"
_READ = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY; SELECT 1"  # the snapshot begins with a read
# Each statement sees what is committed, and while the lock is held nobody else commits.
_WRITE = f"BEGIN ISOLATION LEVEL READ COMMITTED; {ALONE}"
_ALTER = f"BEGIN; SELECT pg_advisory_xact_lock({_ALTERING})"

_BUSY = "55P03"
_FULL = ("53100", "58030", "25006")
"""The disk is full, cannot be written, or the server only reads."""
_AWAY = ("57P01", "57P02", "57P03", None)
"""The server is being stopped, has crashed, is not up yet, or there is no connection to it."""


class PostgresConnection:
    """An `engine.Connection`.

    No text of PostgreSQL holds the character 0: 0 and 1 are written as 1 1 and 1 2, so that texts stay
    different and in the same order.
    """

    def __init__(self, connection: psycopg.Connection[Any], turn: int = 0) -> None:
        self._connection = connection
        self.turn = turn

    def tables(self) -> list[str]:
        """See `Connection.tables`."""
        return [
            name
            for (name,) in self.ask("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
        ]

    def ask(self, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        """See `Connection.ask`."""
        rows = self._connection.execute(_own(statement), _kept(values)).fetchall()
        return [tuple(map(_given, row)) for row in rows]

    def write(self, statement: str, rows: Sequence[Sequence[Any]]) -> int:
        """See `Connection.write`."""
        try:
            with self._connection.cursor() as cursor:
                if len(rows) == 1:
                    cursor.execute(_own(statement), _kept(rows[0]))
                else:
                    cursor.executemany(_own(statement), [_kept(row) for row in rows])
                return cursor.rowcount
        except psycopg.errors.UniqueViolation as error:
            raise Duplicate from error

    @contextmanager
    def all_or_nothing(self, writes: int) -> Iterator[None]:  # noqa: ARG002 - one that fails ends a transaction, too
        """See `Connection.all_or_nothing`."""
        self._connection.execute("SAVEPOINT writes")
        try:
            yield
        except BaseException:
            with suppress(psycopg.OperationalError):  # the server is gone, and has taken all of it back
                self._connection.execute("ROLLBACK TO writes; RELEASE writes")
            raise
        self._connection.execute("RELEASE writes")


class PostgresEngine:
    """An `engine.Engine` on a database that is there and answers.

    Raises InvalidValue for what is no address of one, and Unavailable when it does not answer.
    """

    def __init__(self, address: str) -> None:
        self._address = _checked(address)
        self._idle: list[psycopg.Connection[Any]] = []
        self._sole: psycopg.Connection[Any] | None = None
        self._turn = Lock()
        self._turns = count(step=2)  # it does not tell whether others have written
        with plainly():
            first = self._connect()
        self._idle.append(first)
        encoding = first.info.parameter_status("server_encoding")
        if encoding != "UTF8":
            self.close()
            raise InvalidValue(
                what="The database cannot keep every text",
                expected="the encoding UTF8",
                found=encoding or "",
                fix="Make it with createdb --encoding=UTF8 --template=template0.",
            )

    @property
    def url(self) -> str:
        """See `Engine.url`."""
        return self._address.replace("postgresql://", "postgresql+psycopg://", 1)

    @property
    def name(self) -> str:
        """See `Engine.name`."""
        told = conninfo_to_dict(self._address)
        return f"the database {told['dbname']} on {told.get('host', 'this machine')}"

    @contextmanager
    def reading(self) -> Iterator[PostgresConnection]:
        """See `Engine.reading`."""
        with self._begun(_READ) as connection:
            yield PostgresConnection(connection)

    @contextmanager
    def writing(self) -> Iterator[PostgresConnection]:
        """See `Engine.writing`."""
        with self._begun(_WRITE) as connection:
            yield PostgresConnection(connection, next(self._turns))
            connection.execute("COMMIT")

    def written(self) -> None:
        """See `Engine.written`."""

    @contextmanager
    def alone(self) -> Iterator[None]:
        """See `Engine.alone`."""
        with self._begun(_ALTER):
            yield

    @contextmanager
    def sole(self) -> Iterator[None]:
        """See `Engine.sole`: held by a connection of its own, and taken anew when that is lost."""
        with plainly():
            self._sole = self._deciding()
        try:
            yield
        finally:
            with self._turn:
                self._sole.close()
                self._sole = None

    def close(self) -> None:
        """See `Engine.close`."""
        while self._idle:
            self._idle.pop().close()

    @contextmanager
    def _begun(self, begin: str) -> Iterator[psycopg.Connection[Any]]:
        """A connection with an open transaction, which is rolled back unless it was committed."""
        with plainly():
            connection = self._begin(begin)
            try:
                yield connection
            finally:
                self._give_back(connection)

    def _begin(self, begin: str) -> psycopg.Connection[Any]:
        """A server that was restarted has dropped the connections that were kept: as long as nothing has
        been asked in a transaction, it may begin on another.
        """
        until = time.monotonic() + PATIENCE
        while True:
            connection = None
            try:
                if not self._idle:
                    self._remain_sole()
                connection = self._idle.pop() if self._idle else self._connect()
                connection.execute(begin)
            except psycopg.Error as error:
                if connection:
                    connection.close()
                if not _is_away(error) or time.monotonic() > until:
                    raise
                self.close()
                time.sleep(PAUSE)
            else:
                return connection

    def _give_back(self, connection: psycopg.Connection[Any]) -> None:
        with suppress(psycopg.OperationalError):
            if connection.info.transaction_status != TransactionStatus.IDLE:
                connection.execute("ROLLBACK")
        if connection.closed or len(self._idle) >= _IDLE:
            connection.close()
        else:
            self._idle.append(connection)

    def _remain_sole(self) -> None:
        """A server that was restarted has let go of the system's lock; who took it since keeps it."""
        with self._turn:
            if self._sole is None:
                return
            try:
                self._sole.execute("SELECT 1")
            except psycopg.OperationalError:
                self._sole.close()
                self._sole = self._deciding()

    def _deciding(self) -> psycopg.Connection[Any]:
        connection = self._connect()
        for _ in range(GLANCES):
            if connection.execute(f"SELECT pg_try_advisory_lock({_DECIDING})").fetchone() == (True,):
                return connection
            time.sleep(PAUSE)
        connection.close()
        raise Conflict(
            what="Another Penstock already runs on this store, from a copy of this home",
            fix="Stop it first; a machine that is gone lets go of the store within a minute.",
        )

    def _connect(self) -> psycopg.Connection[Any]:
        connection = psycopg.connect(
            self._address,
            autocommit=True,  # the driver must not begin transactions of its own
            connect_timeout=CONNECT_SECONDS,
            client_encoding="utf8",
        )
        try:
            connection.execute(_SESSION)
        except BaseException:
            connection.close()
            raise
        return connection


@contextmanager
def plainly() -> Iterator[None]:
    """Tell of failures of the database in sentences of our own."""
    try:
        yield
    except psycopg.Error as error:
        raise _plain(error) from error


def _plain(error: psycopg.Error) -> Exception:
    found = " ".join(str(error).split())
    if error.sqlstate in _FULL:
        return StorageFailed(found=found, fix="Free space on the disk of the database.")
    if _is_away(error) or error.sqlstate == _BUSY:
        return Unavailable(
            what="The store does not answer",
            found=found,
            fix="See that the database runs and that PENSTOCK_STORE is its address.",
        )
    return error


def _is_away(error: psycopg.Error) -> bool:
    return isinstance(error, psycopg.OperationalError) and error.sqlstate in _AWAY


def _checked(address: str) -> str:
    """What the driver says of an address is not shown: it may quote a password."""
    plain = address.replace("postgresql+psycopg://", "postgresql://", 1)
    scheme, marked, rest = plain.partition("://")
    before, _, after = rest.partition("/")
    told, found, fix = {}, f"an address of {scheme}" if marked else "something else", ""
    if scheme == "postgresql" and marked:
        found = "one that cannot be read"
        fix = (
            "Write @, :, /, ? and % of a password as %40, %3A, %2F, %3F and %25, options as libpq names them."
        )
        if before.count("@") < 2 and ("@" in before or "@" not in after.partition("?")[0]):
            with suppress(psycopg.Error):
                told = conninfo_to_dict(plain)
                found, fix = "no name of a database", ""
    if not told.get("dbname"):
        raise InvalidValue(what="PENSTOCK_STORE names no store", expected=ADDRESS, found=found, fix=fix)
    return plain


@lru_cache(2000)
def _own(statement: str) -> str:
    """A statement with the marks for values that this driver knows."""
    return statement.replace("?", "%s")


def _kept(values: Sequence[Any]) -> list[Any]:
    return [
        value.replace("\1", "\1\2").replace("\0", "\1\1")
        if isinstance(value, str) and ("\0" in value or "\1" in value)
        else value
        for value in values
    ]


def _given(value: Any) -> Any:
    if isinstance(value, str) and "\1" in value:
        return value.replace("\1\1", "\0").replace("\1\2", "\1")
    return value
