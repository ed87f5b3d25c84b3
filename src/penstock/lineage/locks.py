"""One writer at a time within a process."""

from __future__ import annotations

from threading import Lock, get_ident
from types import TracebackType


class WriteLock:
    """A lock that tells its holder, instead of waiting for ever, that a transaction is open already."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._owner: int | None = None

    def __enter__(self) -> None:
        if self._owner == get_ident():
            raise RuntimeError("this thread holds a write transaction already; pass it on instead")
        self._lock.acquire()
        self._owner = get_ident()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._owner = None
        self._lock.release()
