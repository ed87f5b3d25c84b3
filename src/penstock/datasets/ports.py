"""What datasets need from outside: somebody who keeps pushed rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from penstock.datasets.types import Pushed, Source


class PushLog(Protocol):
    """The rows that programs have pushed to sources, each of them once."""

    def append(
        self, source: Source, data_root: str | Path, rows: Sequence[Mapping[str, Any]], now: datetime
    ) -> Pushed:
        """Keep rows that arrived at `now` (UTC), durable when it returns; what is there is not doubled.

        Raises InvalidValue for rows that cannot be events of the source, none of which is then kept, and
        StorageFailed.
        """
        ...

    def close(self) -> None:
        """Let go of the log."""
        ...
