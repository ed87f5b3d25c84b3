"""The ledger: reading it, proving it whole, and following causes back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from penstock.core.errors import Corrupt, NotFound
from penstock.core.events import Event
from penstock.lineage.chain import follows
from penstock.lineage.ports import Reader, Store
from penstock.lineage.types import Verification

_PAGE = 1000


class Ledger:
    """The hash-chained history of everything that was decided."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def events(self, *, after: int = 0, limit: int = 0, **where: Any) -> list[Event]:
        """Events with an id greater than `after`, oldest first; `where` as in `Reader.find`."""
        with self._store.read() as reader:
            return reader.events(after=after, limit=limit, **where)

    def verify(self) -> Verification:
        """Check every event against its digest and the one before it, up to the first broken line.

        A ledger cut off at its end is whole up to there: compare `head` with one kept elsewhere.
        """
        last: Event | None = None
        broken = False
        with self._store.read() as reader:
            for event in _lines(reader):
                broken = event is None or not follows(event, last)
                if broken:
                    break
                last = event
        count = last.id if last else 0
        head = last.digest if last else ""
        return Verification(ok=not broken, count=count, head=head, broken_at=count + 1 if broken else None)

    def why(self, event: int) -> list[Event]:
        """The event and its causes, back to the one that nothing in the ledger caused.

        Raises NotFound if there is no such event.
        """
        chain: list[Event] = []
        cause: int | None = event
        with self._store.read() as reader:
            while cause and (not chain or cause < chain[-1].id):  # a cause comes before its effect
                found = reader.events(after=cause - 1, limit=1)
                if not found or found[0].id != cause:
                    raise NotFound(what=f"There is no event {cause}")
                chain += found
                cause = found[0].cause
        return chain


def _lines(reader: Reader) -> Iterator[Event | None]:
    """The lines of the ledger in order; None, and then no more, for one that cannot be read."""
    after, size = 0, _PAGE
    while True:
        try:
            page = reader.events(after=after, limit=size)
        except Corrupt:
            if size == 1:
                yield None
                return
            size = 1  # find out which line of the page it was
            continue
        if not page:
            return
        yield from page
        after = page[-1].id
