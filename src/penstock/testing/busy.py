"""A store at which two processes are at work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from penstock.lineage.ports import Reader, Store, Transaction


class BusyStore:
    """A store in which something else may happen after a process has read and before it writes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.meanwhile: Callable[[], object] | None = None

    def read(self) -> AbstractContextManager[Reader]:
        """See `Store.read`."""
        return self._store.read()

    def written(self) -> int | None:
        """See `Store.written`."""
        return self._store.written()

    @contextmanager
    def begin(self) -> Iterator[Transaction]:
        """See `Store.begin`."""
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile:
            meanwhile()
        with self._store.begin() as tx:
            yield tx
