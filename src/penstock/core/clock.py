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


def moment_of(text: str, *, zoned: bool = True) -> datetime:
    """The time that a text means; without a zone it is UTC. Raises ValueError for what is no time."""
    found = datetime.fromisoformat(text)
    try:
        found = found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC)
    except OverflowError as error:
        raise ValueError(str(error)) from error
    return found if zoned else found.replace(tzinfo=None)


def midnight(time: datetime) -> datetime:
    """When the day of a moment began, in UTC."""
    return time.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
