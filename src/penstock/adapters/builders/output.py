"""A build's log, which stays small whatever is printed."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

FIRST = 1024 * 1024
"""Bytes of a log that are kept from its beginning, and as many at least from its end."""
CUT = b"\n[... What was printed in between is not kept: the log has grown too long. ...]\n"


class Output:
    """Adds to a log; when that grows beyond three times `FIRST`, its middle is dropped.

    Somebody may read the file meanwhile. Raises OSError when the disk is full.
    """

    def __init__(self, log: Path) -> None:
        self._file = log.open("a+b", buffering=0)
        self._size = self._file.seek(0, 2)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def write(self, data: bytes) -> None:
        """Add to the end."""
        self._file.write(data)
        self._size += len(data)
        if self._size > 3 * FIRST:
            self._drop_middle()

    def _drop_middle(self) -> None:
        self._file.seek(self._size - FIRST)
        newest = self._file.read()
        self._file.truncate(FIRST)
        self._file.write(CUT + newest[newest.find(b"\n") + 1 :])
        self._size = self._file.seek(0, 2)
