"""What triggers need from outside: how many rows have come."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

import msgspec

from penstock.datasets.types import Source


class Arrived(msgspec.Struct, frozen=True):
    """Rows that became known, and when the newest of them did."""

    rows: int
    newest: datetime | None = None


class Arrivals(Protocol):
    """Sees what becomes known of a source."""

    def since(
        self, project: str, data: str, source: Source, since: datetime | None, now: datetime
    ) -> Arrived:
        """The rows of a project's source that became known after `since` (of all time for None), up to `now`.

        `data` is the environment's own data root, empty where it has none. Raises NotFound or InvalidValue
        where rows cannot be read.
        """
        ...
