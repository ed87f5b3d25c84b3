"""Fakes of the ports that every component needs: a store, a place for bytes and a clock, all in memory."""

from __future__ import annotations

import io
import shutil
import tempfile
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from penstock.core.digests import Digesting, digest_bytes
from penstock.core.errors import Conflict, NotFound
from penstock.core.events import Event
from penstock.lineage.chain import seal
from penstock.lineage.locks import WriteLock
from penstock.lineage.nouns import (
    check_question,
    fields_of,
    finite,
    instant,
    searchable,
    title,
    unique_of,
    unreadable,
)
from penstock.lineage.ports import Between

T = TypeVar("T", bound=msgspec.Struct)


class _State(msgspec.Struct):
    """What is stored. Once it is committed, nobody changes it."""

    tables: dict[type[msgspec.Struct], dict[str, Any]] = {}
    events: list[Event] = []
    counters: dict[type[msgspec.Struct], int] = {}

    def fork(self) -> _State:
        """A state that can be changed; a table must be copied before it is."""
        return _State(dict(self.tables), list(self.events), dict(self.counters))


class FixedClock:
    """A clock that stands still until it is told to move."""

    def __init__(self, at: datetime = datetime(2013, 1, 1, tzinfo=UTC)) -> None:
        self._at = at

    def now(self) -> datetime:
        """The moment that was last set."""
        return self._at

    def set(self, at: datetime) -> None:
        """Jump to a moment, also into the past."""
        self._at = at

    def advance(self, by: timedelta) -> datetime:
        """Move forward and give the new moment."""
        self._at += by
        return self._at


class MemoryReader:
    """A `lineage.ports.Reader` over a state that stands still."""

    def __init__(self, state: _State) -> None:
        self._state = state

    def get(self, kind: type[T], key: str) -> T:
        """See `Reader.get`."""
        try:
            noun: T = self._state.tables[kind][key]
        except KeyError:
            raise NotFound(what=f"There is no {title(kind)} {key}") from None
        return noun

    def find(self, kind: type[T], *, order: str = "", limit: int = 0, **where: Any) -> list[T]:
        """See `Reader.find`."""
        return _select(kind, list(self._state.tables.get(kind, {}).values()), order, limit, where)

    def pick(
        self, kind: type[T], fields: tuple[str, ...], *, order: str = "", limit: int = 0, **where: Any
    ) -> list[tuple[Any, ...]]:
        """See `Reader.pick`."""
        found = self.find(kind, order=order, limit=limit, **where)
        return [tuple(getattr(noun, name) for name in fields) for noun in found]

    def count(self, kind: type[T], **where: Any) -> int:
        """See `Reader.count`."""
        return len(self.find(kind, **where))

    def events(self, *, after: int = 0, limit: int = 0, last: bool = False, **where: Any) -> list[Event]:
        """See `Reader.events`."""
        order = "-id" if last else ""
        found = _select(Event, self._state.events, order, limit, dict(id=Between(after + 1), **where))
        return found[::-1] if last else found


class MemoryTransaction(MemoryReader):
    """A `lineage.ports.Transaction` on a fork of the committed state."""

    def __init__(self, state: _State, turn: int) -> None:
        super().__init__(state)
        self.turn = turn
        self._owned: set[type[msgspec.Struct]] = set()

    def mint(self, kind: type[msgspec.Struct]) -> str:
        """See `Transaction.mint`."""
        counters = self._state.counters
        counters[kind] = counters.get(kind, 0) + 1
        return str(counters[kind])

    def add(self, *nouns: msgspec.Struct) -> None:
        """See `Transaction.add`."""
        self._write(nouns, new=True)

    def put(self, *nouns: msgspec.Struct) -> None:
        """See `Transaction.put`."""
        self._write(nouns, new=False)

    def publish(self, *events: Event) -> list[int]:
        """See `Transaction.publish`."""
        ledger = self._state.events
        for event in events:
            ledger.append(seal(event, ledger[-1] if ledger else None))
        return [event.id for event in ledger[len(ledger) - len(events) :]]

    def _write(self, nouns: tuple[msgspec.Struct, ...], *, new: bool) -> None:
        staged: dict[type[msgspec.Struct], dict[str, Any]] = {}
        for noun in map(_kept, nouns):
            self._check(noun, staged.setdefault(type(noun), {}), new=new)
            staged[type(noun)][noun.id] = noun
        for kind, changed in staged.items():
            if kind not in self._owned:
                self._state.tables[kind] = dict(self._state.tables.get(kind, {}))
                self._owned.add(kind)
            self._state.tables[kind].update(changed)

    def _check(self, noun: Any, staged: dict[str, Any], *, new: bool) -> None:
        kind = type(noun)
        stored = self._state.tables.get(kind, {})
        known = noun.id in stored or noun.id in staged
        if new and known:
            raise Conflict(what=f"There is already a {title(kind)} {noun.id}")
        if not new and not known:
            raise NotFound(what=f"There is no {title(kind)} {noun.id}")
        for field in unique_of(kind):
            value = getattr(noun, field)
            if any(
                getattr(other, field) == value for key, other in (stored | staged).items() if key != noun.id
            ):
                raise Conflict(what=f"There is already a {title(kind)} whose {field} is {value}")


class MemoryStore:
    """A `lineage.ports.Store` that forgets everything when it goes; for tests."""

    def __init__(self) -> None:
        self._state = _State()
        self._writing = WriteLock()
        self._turns = count()
        self._written = 0

    @contextmanager
    def read(self) -> Iterator[MemoryReader]:
        """See `Store.read`."""
        yield MemoryReader(self._state)

    @contextmanager
    def begin(self) -> Iterator[MemoryTransaction]:
        """See `Store.begin`."""
        with self._writing:
            state = self._state.fork()
            yield MemoryTransaction(state, next(self._turns))
            self._state = state
            self._written += 1

    def written(self) -> int:
        """See `Store.written`."""
        return self._written


class MemoryBlobs:
    """A `lineage.ports.Blobs` in memory; bytes whose path is asked for also lie in a temporary folder."""

    def __init__(self) -> None:
        self._bytes: dict[str, bytes] = {}
        self._stored: dict[str, float] = {}
        self._folder = tempfile.mkdtemp(prefix="penstock-blobs-")
        weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)

    def put(self, data: bytes) -> str:
        """See `Blobs.put`."""
        digest = digest_bytes(data)
        self._bytes[digest] = bytes(data)
        self._stored[digest] = time.monotonic()
        return digest

    @contextmanager
    def writing(self) -> Iterator[Digesting]:
        """See `Blobs.writing`."""
        memory = io.BytesIO()
        digesting = Digesting(memory)
        yield digesting
        self.put(memory.getvalue())

    def put_file(self, path: str) -> str:
        """See `Blobs.put_file`."""
        return self.put(Path(path).read_bytes())

    def get(self, digest: str) -> bytes:
        """See `Blobs.get`."""
        if digest not in self._bytes:
            raise NotFound(what=f"There is no blob {digest}")
        return self._bytes[digest]

    def path(self, digest: str) -> str:
        """See `Blobs.path`."""
        data = self.get(digest)
        file = Path(self._folder) / digest
        if not file.exists():
            file.write_bytes(data)
        return str(file)

    def has(self, digest: str) -> bool:
        """See `Blobs.has`."""
        return digest in self._bytes

    def where(self, digest: str) -> str:
        """See `Blobs.where`."""
        return f"memory:///{digest}"

    def digests(self, idle: float = 0.0) -> dict[str, int]:
        """See `Blobs.digests`."""
        before = time.monotonic() - idle
        return {digest: len(data) for digest, data in self._bytes.items() if self._stored[digest] <= before}

    def delete(self, digest: str, idle: float = 0.0) -> bool:
        """See `Blobs.delete`."""
        if digest not in self.digests(idle):
            return False
        del self._bytes[digest], self._stored[digest]
        return True


def _kept(noun: Any) -> Any:
    """The noun as a database would give it back: its times in UTC, its JSON fields as JSON."""
    kind: type[msgspec.Struct] = type(noun)
    scalars: dict[str, Any] = {}
    for field in fields_of(kind).values():
        value = getattr(noun, field.name)
        if field.scalar is datetime and value is not None:
            scalars[field.name] = instant(value)
        elif field.scalar is float and value is not None:
            scalars[field.name] = finite(value)
    try:
        return msgspec.json.decode(msgspec.json.encode(msgspec.structs.replace(noun, **scalars)), type=kind)
    except msgspec.ValidationError as error:
        raise unreadable(kind, error) from error


def _select(kind: type[T], rows: list[T], order: str, limit: int, where: dict[str, Any]) -> list[T]:
    check_question(kind, where)
    for name, wanted in where.items():
        rows = [row for row in rows if _matches(getattr(row, name), wanted)]
    if order:
        name = searchable(kind, order.removeprefix("-")).name
        rows = sorted(rows, key=lambda row: _sortable(getattr(row, name)))
        if order.startswith("-"):
            rows.reverse()
    return rows[:limit] if limit else rows


def _matches(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, tuple):
        return value in wanted
    if isinstance(wanted, Between):
        above = wanted.start is None or (value is not None and value >= wanted.start)
        return above and (wanted.end is None or (value is not None and value < wanted.end))
    return bool(value == wanted)


def _sortable(value: Any) -> tuple[bool, Any]:
    return (value is not None, value if value is not None else 0)
