"""A loop that does not fall asleep where the next request comes sooner than a processor wakes up."""

from __future__ import annotations

import asyncio
import os
from time import perf_counter

SHORT = 250e-6
"""Seconds between two requests up to which it is worth while to stay awake."""


class Awake:
    """Keeps the running loop turning for at most `SHORT` after a request that came as soon after the one
    before it. Meanwhile whoever else wants the processor is let go first.

    `heard` is whether a request has come in this turn; who reads one and finds it false tells it by `hear`.
    """

    def __init__(self) -> None:
        self.heard = False
        self._turning = False
        self._last = 0.0

    def hear(self) -> None:
        """A request has come, the first of this turn."""
        now = perf_counter()
        soon, self._last = now - self._last < SHORT, now
        if self._turning or soon:
            self.heard = True
        if soon and not self._turning:
            self._turning = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        if self.heard:
            self.heard = False
        elif perf_counter() - self._last < SHORT:
            os.sched_yield()
        else:
            self._turning = False
            return
        asyncio.get_running_loop().call_soon(self._turn)
