"""Work in threads that does not come to its end: nobody can end a thread, but its process can go."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import ParamSpec, TypeVar

STUCK = 150.0
"""Seconds after which work is taken to hang: longer than a model may take to load, or to answer."""
P = ParamSpec("P")
R = TypeVar("R")


class Endless:
    """Knows since when each piece of work goes on; used from any thread."""

    def __init__(self) -> None:
        self._since: dict[object, float] = {}

    def timed(self, work: Callable[P, R], *args: P.args, **named: P.kwargs) -> R:
        """Do work, which is known meanwhile."""
        this = object()
        self._since[this] = monotonic()
        try:
            return work(*args, **named)
        finally:
            del self._since[this]

    def found(self) -> bool:
        """Whether there is work that hangs."""
        return any(monotonic() - since > STUCK for since in tuple(self._since.values()))
