"""Freezes: spans of time in which nothing new is deployed, each week or once."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import NoReturn

import msgspec

from penstock.revisions.config.tables import Table

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
WEEK = timedelta(days=7)
_WEEKLY = re.compile(r"(?P<day>[a-z]{3})[a-z]* (?P<hour>[01]\d|2[0-3]):(?P<minute>[0-5]\d)")
_CHAINED = 64
"""Spans that are followed one into another; beyond these an environment is frozen for good."""


class Freeze(msgspec.Struct, frozen=True, kw_only=True):
    """A span in UTC, `start` included and `end` not; `weekly` lets it come again every seven days."""

    start: datetime
    end: datetime
    weekly: bool = False
    why: str = ""

    def end_at(self, moment: datetime) -> datetime | None:
        """When the occurrence that covers a moment ends, None if none does."""
        start, end = self.start, self.end
        if self.weekly:
            passed = WEEK * ((moment - start) // WEEK)
            start, end = start + passed, end + passed
        return end if start <= moment < end else None


class Frozen(msgspec.Struct, frozen=True, kw_only=True):
    """Until when nothing new is deployed, and why as far as it was said."""

    until: datetime
    why: str = ""

    def __str__(self) -> str:
        because = f" ({self.why})" if self.why else ""
        return f"frozen until {self.until:%A %Y-%m-%d %H:%M} UTC{because}"


def frozen(freezes: Iterable[Freeze], now: datetime) -> Frozen | None:
    """Until when these spans, one after another, cover the present; None where none does."""
    known, until, why = tuple(freezes), now.astimezone(UTC), ""
    for _ in range(_CHAINED):
        ends = [(end, each.why) for each in known if (end := each.end_at(until))]
        if not ends:
            break
        later, reason = max(ends)
        until, why = later, why or reason
    return Frozen(until=until, why=why) if until > now else None


def read_freezes(table: Table) -> tuple[Freeze, ...]:
    """The `freeze` of an environment. Raises InvalidProject."""
    return tuple(_freeze(item) for item in table.tables("freeze"))


def _freeze(item: Table) -> Freeze:
    item.allow("from", "until", "why")
    start, weekly = _moment(item, "from")
    end, also = _moment(item, "until")
    if weekly != also:
        item.refuse("until", "a freeze is weekly or dated", expected="two weekdays, or two dates")
    if weekly and end <= start:
        end += WEEK
    if end <= start or (weekly and end - start >= WEEK):
        item.refuse("until", "'until' is not after 'from'", found=repr(item.get("until", str)))
    return Freeze(start=start, end=end, weekly=weekly, why=item.get("why", str, ""))


def _moment(item: Table, key: str) -> tuple[datetime, bool]:
    """A moment, and whether it stands for that of every week."""
    text = item.get(key, str)
    found = _WEEKLY.fullmatch(text.strip().lower())
    if found:
        if found["day"] not in DAYS:
            _refuse(item, key, text)
        day = DAYS.index(found["day"])  # the first of January 2001 was a Monday
        return datetime(2001, 1, 1 + day, int(found["hour"]), int(found["minute"]), tzinfo=UTC), True
    try:
        moment = datetime.fromisoformat(text.strip())
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC), False
    except (ValueError, OverflowError):
        _refuse(item, key, text)


def _refuse(item: Table, key: str, text: str) -> NoReturn:
    item.refuse(
        key,
        f"{key!r} has an impossible value",
        expected='a weekday such as "Fri 16:00", or a date such as "2026-12-20", in UTC',
        found=repr(text),
    )
