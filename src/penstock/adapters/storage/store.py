"""The store on a SQL database."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from penstock.adapters.storage.clock import StoreClock, clock_settings
from penstock.adapters.storage.columns import given, kept
from penstock.adapters.storage.engine import Connection, Duplicate, Engine
from penstock.adapters.storage.names import table_of
from penstock.adapters.storage.parts import in_parts, merged
from penstock.adapters.storage.schema import prepare
from penstock.adapters.storage.sqlite import SqliteEngine
from penstock.adapters.storage.statements import (
    COUNTED,
    counting,
    inserting,
    selecting,
    shape_of,
    updating,
)
from penstock.core.errors import Conflict, NotFound, Unavailable
from penstock.core.events import Event
from penstock.lineage.chain import seal
from penstock.lineage.locks import WriteLock
from penstock.lineage.nouns import title, unique_of, unreadable
from penstock.lineage.ports import Between
from penstock.lineage.types import Setting

T = TypeVar("T", bound=msgspec.Struct)


HOME = "home"
"""The setting that says to which home a store belongs."""


def open_store(where: Path | str, *, virtual: datetime | None = None, home: str = "") -> SqlStore:
    """The store in a SQLite file or the PostgreSQL database at an address, made or brought up to date first.

    A new one gets a virtual clock that shows `virtual`, or, without it, the machine's clock for good, and
    belongs to the home with the identity `home`.
    Raises Conflict if a newer Penstock made it or if it belongs to another home, Corrupt if it is something
    else, NotAllowed if `virtual` is given for one that keeps the machine's time, InvalidValue for a wrong
    address and Unavailable for a database that does not answer.
    """
    engine = _engine(where)
    born_with = clock_settings(virtual) + ((Setting(id=HOME, value=home),) if home else ())
    try:
        prepare(engine, born_with)
        store = SqlStore(engine)
        if virtual is not None:
            StoreClock(store).require_virtual()
        if home:
            _require_home(store, home)
    except BaseException:
        engine.close()
        raise
    return store


def _engine(where: Path | str) -> Engine:
    if isinstance(where, Path):
        where.parent.mkdir(parents=True, exist_ok=True)
        return SqliteEngine(where)
    try:
        from penstock.adapters.storage.postgres import PostgresEngine  # its driver is an extra
    except ModuleNotFoundError as error:
        if error.name != "psycopg":
            raise
        raise Unavailable(
            what="To keep metadata in PostgreSQL its driver must be installed",
            fix="pip install 'penstock[postgres]'",
        ) from error
    return PostgresEngine(where)


def _require_home(store: SqlStore, home: str) -> None:
    with store.read() as reader:
        if not reader.count(Setting, id=HOME, value=home):
            raise Conflict(
                what="This store belongs to another home, which has the bytes and logs that it tells of",
                fix="Use that home directory, or another database.",
            )


class SqlStore:
    """A `lineage.ports.Store`; safe to share between threads, and by several processes on one database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._writing = WriteLock()
        self._turn = -1
        self._last: Event | None = None

    @contextmanager
    def read(self) -> Iterator[SqlReader]:
        """See `Store.read`."""
        with self._engine.reading() as connection:
            yield SqlReader(connection)

    @contextmanager
    def begin(self) -> Iterator[SqlTransaction]:
        """See `Store.begin`."""
        with self._writing:
            with self._engine.writing() as connection:
                alone = connection.turn == self._turn + 1
                tx = SqlTransaction(connection, self._last if alone else None)
                yield tx
            self._turn, self._last = tx.turn, tx.last

    def written(self) -> int | None:
        """See `Store.written`."""
        return self._engine.written()

    def sole(self) -> AbstractContextManager[None]:
        """Hold the store for one system. Raises Conflict if another one runs on it, and then or later, after
        its database was restarted, from whatever is begun.
        """
        return self._engine.sole()

    def close(self) -> None:
        """Give back the connections; the store can still be used and then opens new ones."""
        self._engine.close()


class SqlReader:
    """A `lineage.ports.Reader` on one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, kind: type[T], key: str) -> T:
        """See `Reader.get`."""
        found = self._select(kind, "", 0, {"id": key})
        if not found:
            raise _missing(kind, key)
        return found[0]

    def find(self, kind: type[T], *, order: str = "", limit: int = 0, **where: Any) -> list[T]:
        """See `Reader.find`."""
        return self._select(kind, order, limit, where)

    def pick(
        self, kind: type[T], fields: tuple[str, ...], *, order: str = "", limit: int = 0, **where: Any
    ) -> list[tuple[Any, ...]]:
        """See `Reader.pick`."""
        rows = self._rows(kind, fields, order=order, limit=limit, where=where)
        return [row[: len(fields)] for row in rows]

    def count(self, kind: type[T], **where: Any) -> int:
        """See `Reader.count`."""
        found = 0
        for part in in_parts(where):
            shape, values = shape_of(kind, part)
            found += self._connection.ask(counting(kind, shape), values)[0][0]
        return found

    def events(self, *, after: int = 0, limit: int = 0, last: bool = False, **where: Any) -> list[Event]:
        """See `Reader.events`."""
        found = self._select(Event, "-id" if last else "", limit, dict(id=Between(after + 1), **where))
        return found[::-1] if last else found

    def _select(self, kind: type[T], order: str, limit: int, where: dict[str, Any]) -> list[T]:
        names = kind.__struct_fields__
        rows = self._rows(kind, names, order=order, limit=limit, where=where)
        return [kind(**dict(zip(names, row, strict=False))) for row in rows]

    def _rows(
        self,
        kind: type[msgspec.Struct],
        names: tuple[str, ...],
        *,
        order: str,
        limit: int,
        where: dict[str, Any],
    ) -> Sequence[tuple[Any, ...]]:
        """These fields of the nouns that match and, last, their place in the order of arrival."""
        questions = list(in_parts(where))
        ranked = order.removeprefix("-")
        if len(questions) > 1 and ranked and ranked not in names:  # by which the parts are merged
            names = (*names, ranked)
        parts = []
        for question in questions:
            shape, values = shape_of(kind, question)
            statement = selecting(kind, names, shape, order, limited=limit > 0)
            found = self._connection.ask(statement, [*values, limit] if limit else values)
            parts.append(given(kind, names, found))
        return parts[0] if len(parts) == 1 else merged(parts, names, order, limit)


class SqlTransaction(SqlReader):
    """A `lineage.ports.Transaction` on one transaction that writes alone."""

    def __init__(self, connection: Connection, last: Event | None) -> None:
        """`last` is the newest event, None if that must be looked up."""
        super().__init__(connection)
        self.last = last

    @property
    def turn(self) -> int:
        """See `Transaction.turn`."""
        return self._connection.turn

    def mint(self, kind: type[msgspec.Struct]) -> str:
        """See `Transaction.mint`."""
        return str(self._connection.ask(COUNTED, [table_of(kind)])[0][0])

    def add(self, *nouns: msgspec.Struct) -> None:
        """See `Transaction.add`."""
        with self._connection.all_or_nothing(len(nouns)):
            for kind, some in _by_kind(nouns):
                self._write(kind, some, inserting(kind), kept)

    def put(self, *nouns: msgspec.Struct) -> None:
        """See `Transaction.put`."""
        with self._connection.all_or_nothing(len(nouns)):
            for kind, some in _by_kind(nouns):
                written = self._write(kind, some, updating(kind), _kept_by_id)
                if written < len(some):
                    raise _missing(kind, next(key for key in map(_key, some) if not self.count(kind, id=key)))

    def publish(self, *events: Event) -> list[int]:
        """See `Transaction.publish`."""
        if self.last is None:
            self.last = next(iter(self.events(limit=1, last=True)), None)
        sealed = []
        for event in events:
            self.last = seal(event, self.last)
            sealed.append(self.last)
        if sealed:
            self._write(Event, sealed, inserting(Event), kept)
        return [event.id for event in sealed]

    def _write(
        self,
        kind: type[msgspec.Struct],
        nouns: Sequence[msgspec.Struct],
        statement: str,
        row: Callable[[msgspec.Struct], list[Any]],
    ) -> int:
        """Write rows of one kind and give how many were touched."""
        try:
            return self._connection.write(statement, [row(noun) for noun in nouns])
        except msgspec.ValidationError as error:
            raise unreadable(kind, error) from error
        except Duplicate as error:
            raise _taken(kind, nouns) from error


def _by_kind(nouns: Sequence[msgspec.Struct]) -> list[tuple[type[msgspec.Struct], list[msgspec.Struct]]]:
    return [(kind, list(some)) for kind, some in groupby(nouns, key=type)]


def _kept_by_id(noun: msgspec.Struct) -> list[Any]:
    """The values for `updating`; nouns are declared with their id first."""
    key, *rest = kept(noun)
    return [*rest, key]


def _key(noun: Any) -> str:
    key: str = noun.id
    return key


def _missing(kind: type[msgspec.Struct], key: str) -> NotFound:
    return NotFound(what=f"There is no {title(kind)} {key}")


def _taken(kind: type[msgspec.Struct], nouns: Sequence[msgspec.Struct]) -> Conflict:
    unique = ("id", *unique_of(kind))
    found = "; ".join(" and ".join(f"{name} {getattr(noun, name)}" for name in unique) for noun in nouns[:3])
    return Conflict(what=f"There is already a {title(kind)} with this {' or '.join(unique)}", found=found)
