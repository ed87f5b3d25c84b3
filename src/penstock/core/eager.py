"""Waiting for what comes soon without falling asleep, as long as it does come soon."""

from __future__ import annotations

import os
import select
import time

SOON = 0.001
"""Seconds. To call a sleeping processor back takes a twentieth of it, and its caches are gone."""


class Eager:
    """Waits, and stays awake for as long as is soon where the last wait was not longer.

    Meanwhile whoever else wants the processor is let go first.
    """

    def __init__(self) -> None:
        self._soon = False

    def poll(self, poll: select.poll, seconds: float | None = None) -> list[tuple[int, int]]:
        """The file descriptors and their events, as `poll` tells them; none after so many seconds."""
        if seconds == 0:  # to look is not to wait
            return poll.poll(0)
        began = now = time.monotonic()
        end = began + SOON if seconds is None else began + min(SOON, seconds)
        found: list[tuple[int, int]] = []
        while self._soon and not found and now < end:
            os.sched_yield()
            found = poll.poll(0)
            now = time.monotonic()
        if not found:
            found = poll.poll(None if seconds is None else max(0.0, began + seconds - now) * 1000)
            now = time.monotonic()
        self._soon = bool(found) and now - began < SOON
        return found
