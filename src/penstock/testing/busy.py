"""A store at which two processes are at work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from penstock.testing.fakes import MemoryStore, MemoryTransaction


class BusyStore(MemoryStore):
    """A store in which something else may happen after a process has read and before it writes."""

    meanwhile: Callable[[], object] | None = None

    @contextmanager
    def begin(self) -> Iterator[MemoryTransaction]:
        """See `Store.begin`."""
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile:
            meanwhile()
        with super().begin() as tx:
            yield tx
