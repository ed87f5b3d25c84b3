"""What the metadata store needs: a place for nouns and events that commit together, and one for bytes."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Protocol, TypeVar

import msgspec

from penstock.core.events import Event

T = TypeVar("T", bound=msgspec.Struct)


class Between(msgspec.Struct, frozen=True):
    """The half-open span `start <= x < end`; None leaves that side open."""

    start: datetime | float | str | None = None
    end: datetime | float | str | None = None


class Reader(Protocol):
    """A consistent view of the stored nouns."""

    def get(self, kind: type[T], key: str) -> T:
        """The noun of this kind whose `id` is `key`. Raises NotFound."""
        ...

    def find(self, kind: type[T], *, order: str = "", limit: int = 0, **where: Any) -> list[T]:
        """Nouns whose fields equal `where`: a tuple means one of its values, a `Between` a span.

        In order of arrival, or by the field `order` with ties in order of arrival;
        `-field` is exactly the reverse, the last first. None comes before every value.
        Raises TypeError for a field that the kind does not have or that is kept as JSON.
        """
        ...

    def pick(
        self, kind: type[T], fields: tuple[str, ...], *, order: str = "", limit: int = 0, **where: Any
    ) -> list[tuple[Any, ...]]:
        """Only these fields of what `find` would give: nothing else is read."""
        ...

    def count(self, kind: type[T], **where: Any) -> int:
        """How many `find` would give."""
        ...

    def events(self, *, after: int = 0, limit: int = 0, last: bool = False, **where: Any) -> list[Event]:
        """Sealed events with an id greater than `after`, oldest first; `where` as in `find`.

        With a limit the first of them, or the `last`.
        """
        ...


class Transaction(Reader, Protocol):
    """A change of nouns and the events that tell of it: all of it is kept, or nothing."""

    @property
    def turn(self) -> int:
        """One more than that of this store's last transaction, unless others may have written in between."""
        ...

    def mint(self, kind: type[msgspec.Struct]) -> str:
        """The next number of this kind: "1", "2", …; never given twice."""
        ...

    def add(self, *nouns: msgspec.Struct) -> None:
        """Store new nouns. Raises Conflict if an id or a unique field is taken."""
        ...

    def put(self, *nouns: msgspec.Struct) -> None:
        """Replace stored nouns by id. Raises NotFound if one was never added."""
        ...

    def publish(self, *events: Event) -> list[int]:
        """Seal events into the ledger's hash chain; gives their ids."""
        ...


class Store(Protocol):
    """Nouns and events, durable."""

    def read(self) -> AbstractContextManager[Reader]:
        """A snapshot that does not change while it is held."""
        ...

    def begin(self) -> AbstractContextManager[Transaction]:
        """A writing transaction, one at a time; commits at the end, rolls back on an exception."""
        ...

    def written(self) -> int | None:
        """A number that is another once anybody has written; None where that takes asking what is stored."""
        ...


class Seal(Protocol):
    """Makes a secret unreadable for whoever holds only the store."""

    def close(self, name: str, text: str) -> str:
        """The text, sealed under this name."""
        ...

    def open(self, name: str, sealed: str) -> str:
        """The text again. Raises Corrupt when it was sealed under another name, or with another key."""
        ...


class Writing(Protocol):
    """A file that becomes a blob; once it has, `digest` and `size` are those of its bytes."""

    @property
    def digest(self) -> str:
        """The digest of the bytes so far."""
        ...

    @property
    def size(self) -> int:
        """How many bytes were written."""
        ...

    def write(self, data: Any, /) -> int:
        """Append bytes, or anything that lets its bytes be seen."""
        ...


class Blobs(Protocol):
    """Immutable bytes, named by their digest."""

    def put(self, data: bytes) -> str:
        """Store bytes and give their digest; storing the same bytes again is free.

        Raises StorageFailed (for example on a full disk), leaving nothing half-written.
        """
        ...

    def writing(self) -> AbstractContextManager[Writing]:
        """A file to write to, from its beginning to its end; stored when the block ends without an error.

        So bytes that are made piece by piece are never held in memory. Raises StorageFailed as `put`.
        """
        ...

    def put_file(self, path: str) -> str:
        """Store a file's bytes without holding them in memory; gives their digest."""
        ...

    def get(self, digest: str) -> bytes:
        """The bytes, verified. Raises NotFound or Corrupt."""
        ...

    def path(self, digest: str) -> str:
        """A local file with these bytes, verified, to be mapped and never written."""
        ...

    def has(self, digest: str) -> bool:
        """Whether the bytes are there and verify."""
        ...

    def where(self, digest: str) -> str:
        """The remote path: the URL at which the store keeps these bytes."""
        ...

    def digests(self, idle: float = 0.0) -> dict[str, int]:
        """The sizes of all bytes that nobody has stored, again or for the first time, for `idle` seconds."""
        ...

    def delete(self, digest: str, idle: float = 0.0) -> bool:
        """Remove bytes, unless somebody has stored them within `idle` seconds; whether they were removed."""
        ...
