"""Moments as callers write them."""

from __future__ import annotations

from datetime import UTC, datetime

from penstock.core.errors import InvalidValue


def moment(text: str) -> datetime | None:
    """A moment written in ISO 8601 with its zone; None for no text. Raises InvalidValue."""
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
        known = found.tzinfo is not None and bool(found.astimezone(UTC))
    except (ValueError, OverflowError):
        known = False
    if not known:
        raise InvalidValue(expected="a moment such as 2013-03-01T00:00:00+00:00", found=text)
    return found
