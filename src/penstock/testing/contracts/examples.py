"""Nouns to store in contract tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from penstock.core.events import Event
from penstock.monitoring.types import Prediction
from penstock.triggers.types import Firing

NOON = datetime(2013, 3, 1, 12, tzinfo=UTC)


class Changed(Exception):
    """Raised to leave a transaction."""


def prediction(key: str, **changes: Any) -> Prediction:
    """A prediction made at noon, its truth unknown."""
    plain = Prediction(
        id=key,
        model="delay",
        environment="production",
        version=1,
        variant="champion",
        time=NOON,
        score=0.25,
        label="on time",
    )
    return msgspec.structs.replace(plain, **changes)


def firing(key: str, slot: str, **changes: Any) -> Firing:
    """A firing: its `slot` is unique, its `evidence` and `events` are kept as JSON."""
    plain = Firing(
        id=key,
        slot=slot,
        project="flights",
        environment="production",
        pipeline="train_delay",
        kind="schedule",
        time=NOON,
        why="",
        evidence={},
        events=(),
        run="",
        event=1,
    )
    return msgspec.structs.replace(plain, **changes)


def happened(kind: str = "run.queued", *, minutes: int = 0, **changes: Any) -> Event:
    """An event so many minutes after noon."""
    plain = Event(kind=kind, subject="run:1", time=NOON + timedelta(minutes=minutes))
    return msgspec.structs.replace(plain, **changes)
