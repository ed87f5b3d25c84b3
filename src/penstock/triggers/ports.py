"""What triggers need from outside: how much has come."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Protocol

from penstock.datasets.types import Arrived, Level, Source


class Arrivals(Protocol):
    """Sees what becomes known of a source."""

    def since(
        self, source: Source, data_root: str | Path, before: Level | datetime | None, as_of: datetime
    ) -> Arrived:
        """What became known after a moment (ever, for None) and until `as_of`.

        Raises NotFound or InvalidValue where rows cannot be read.
        """
        ...
