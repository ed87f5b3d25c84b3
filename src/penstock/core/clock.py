"""The clock, a value that every component is given."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the time of the domain, always in UTC."""

    def now(self) -> datetime:
        """The present moment, with the UTC time zone."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The machine's present moment in UTC."""
        return datetime.now(UTC)


def midnight(time: datetime) -> datetime:
    """When the day of a moment began, in UTC."""
    return time.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
