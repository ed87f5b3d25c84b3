"""Pushes numbered batches of rows, and says after each that it is kept; whoever kills it begins it again."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

from penstock import events
from penstock.adapters.pushes.log import JsonLinesPushes

CLICKS = events("clicks", event_time="at", key="id")
EACH = 40


def batch(number: int) -> list[dict[str, object]]:
    """The rows of a batch, long enough that a kill finds one half-written."""
    at = "2024-01-01T10:00:00Z"
    return [{"id": number * EACH + each, "at": at, "what": "x" * 2000} for each in range(EACH)]


if __name__ == "__main__":
    root, first = Path(sys.argv[1]), int(sys.argv[2])
    log = JsonLinesPushes(root / (sys.argv[3] if len(sys.argv) > 3 else "pushes.db"))
    number = first
    while True:
        log.append(CLICKS, root, batch(number), datetime.now(UTC))
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()
        number += 1
