"""What a store asks of a database engine: `sqlite` and `postgres` are two."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol


class Duplicate(Exception):
    """A value was taken that must be unique."""


class Connection(Protocol):
    """A connection inside a transaction."""

    @property
    def turn(self) -> int:
        """See `lineage.ports.Transaction.turn`; for one that writes."""
        ...

    def tables(self) -> list[str]:
        """The names of the tables that there are."""
        ...

    def ask(self, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        """The rows of an answer."""
        ...

    def write(self, statement: str, rows: Sequence[Sequence[Any]]) -> int:
        """Do a statement for each of these; gives how many rows were touched. Raises Duplicate."""
        ...

    def all_or_nothing(self, writes: int) -> AbstractContextManager[None]:
        """So many writes of which none stays if one fails, though the transaction goes on."""
        ...


class Engine(Protocol):
    """A database."""

    def reading(self) -> AbstractContextManager[Connection]:
        """A connection on a snapshot, rolled back at the end."""
        ...

    def writing(self) -> AbstractContextManager[Connection]:
        """A connection that is the only writer, committed at the end or rolled back on an exception."""
        ...

    def written(self) -> int | None:
        """See `Store.written`."""
        ...

    def alone(self) -> AbstractContextManager[None]:
        """Nobody else makes or changes the schema meanwhile."""
        ...

    def sole(self) -> AbstractContextManager[None]:
        """No other system runs on the database meanwhile. Raises Conflict if one does."""
        ...

    def close(self) -> None:
        """Give back the connections; when the engine is used again it opens new ones."""
        ...

    @property
    def url(self) -> str:
        """Where the database is, as SQLAlchemy says it."""
        ...

    @property
    def name(self) -> str:
        """Where the database is, as anybody may read it."""
        ...
