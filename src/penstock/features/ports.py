"""What the feature store needs from outside: a place for online values, and somebody to compute them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from penstock.features.types import Placed
from penstock.lineage.ports import Reader, Transaction

Start = Callable[[Transaction, str], str]
"""Starts the run that makes a view's values, in an open transaction and somebody's name; gives its number."""


class OnlineStore(Protocol):
    """The newest record of each entity in each view (see `records`), found by its key."""

    def read(self, keys: Sequence[bytes], views: Sequence[str]) -> list[Sequence[bytes | None]]:
        """For each key the records of these views, one at least, in their order; None where there is none.

        Raises Unavailable.
        """
        ...

    def write(self, view: str, rows: Sequence[tuple[bytes, bytes]]) -> int:
        """Keep records by key, durable when it returns; gives how many were kept.

        Where it fails, any of them may be kept: they are to be written again. One that is older than
        what is there changes nothing; the same one again is kept again. Raises StorageFailed.
        """
        ...

    def remove(self, view: str, since: str) -> str:
        """Forget some records of a view, those after the place `since`, empty for the first of all; gives the
        place to go on from, empty once there are no more. Raises StorageFailed.
        """
        ...

    def at_hand(self) -> bool:
        """Whether a read of some keys takes this thread microseconds, so that others may wait for it."""
        ...

    def contents(self) -> str:
        """What the store is known by, another once it may have lost what was written. Raises Unavailable."""
        ...

    def close(self) -> None:
        """Let go of the store."""
        ...


class Computed(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a run that makes a view's values: the digest of the table, or an error."""

    as_of: datetime
    table: str = ""
    error: str = ""


class Work(Protocol):
    """Where feature views are needed, and how their code is run: never in this process."""

    def views(self, reader: Reader) -> Sequence[Placed]:
        """The views of every release that an environment holds, and of what models were trained on that
        answer there, or may soon.
        """
        ...

    def waits(self, placed: Placed) -> bool:
        """Whether nothing can be made of a view yet: programs push the rows of its source, and none did."""
        ...

    def ready(self, placed: Placed) -> Start:
        """Make a run of the view ready, as far as that takes time. Raises Busy while that is done beside."""
        ...

    def outcome(self, run: str) -> Computed | None:
        """What became of a run, None while it is under way."""
        ...
