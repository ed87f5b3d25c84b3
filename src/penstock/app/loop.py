"""The loop that calls every component's tick, woken by what happens."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import TypeVar

T = TypeVar("T")
Tick = Callable[[datetime], bool]
log = logging.getLogger("penstock.loop")

BUSY = 0.03
"""Seconds between passes while runs are under way, and none of their tasks ends."""
SPELL = 0.25
"""Seconds for which runs alone may be carried forward, step after step, before other duties have a turn."""
IDLE = 0.5
"""Seconds between passes while none are: the longest that a push by path goes unseen."""

_UNKNOWN: float | None = BUSY
"""The pace while nobody can say."""


def at_rest(written: Callable[[], int | None], tick: Tick) -> Tick:
    """A tick that depends on nothing but the store and the moment; one that found nothing to do is left out
    until one of the two has moved since it began. `written` is that of the store.
    """
    before: tuple[int, datetime] | None = None

    def look(now: datetime) -> bool:
        nonlocal before
        number = written()
        if number is not None and before == (number, now):
            return False
        before = None
        changed = tick(now)
        before = None if changed or number is None else (number, now)
        return changed

    return look


class Loop:
    """Calls ticks in order, again and again, in a thread of its own.

    A pass is quiet when it changed nothing, nothing failed and no work is under way.
    `settled` says that a pass which began after the last `poke` was quiet: whatever was
    asked for before the poke has had all its consequences.
    """

    def __init__(
        self,
        ticks: Sequence[tuple[str, Tick]],
        now: Callable[[], datetime],
        pace: Callable[[], float | None],
        carry: Callable[[float], bool],
    ) -> None:
        """`pace` gives the seconds between passes, BUSY or IDLE, while work is under way, and None while it
        is not. `carry` waits up to so many seconds for a task to end and then carries the runs forward;
        whether it did.
        """
        self._ticks = ticks
        self._now = now
        self._pace = pace
        self._carry = carry
        self._state = threading.Condition()
        self._begun = 0
        self._asked = 1
        self._quiet = 0
        self._woken = False
        self._stopping = False
        self.problems: dict[str, str] = {}
        self._thread = threading.Thread(target=self._run, name="penstock-loop")

    def start(self) -> None:
        """Begin to call the ticks."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the pass that is under way, then stop."""
        with self._state:
            self._stopping = True
            self._state.notify_all()
        if self._thread.is_alive():
            self._thread.join()

    def poke(self) -> None:
        """Something happened: start a pass soon."""
        with self._state:
            self._asked = self._begun + 1
            self._woken = True
            self._state.notify_all()

    @property
    def stopping(self) -> bool:
        """Whether it was told to stop: what was asked for has its consequences after the next start."""
        return self._stopping

    @property
    def settled(self) -> bool:
        """Whether everything before the last poke has had all its consequences."""
        return self._quiet >= self._asked

    def wait_settled(self, timeout: float) -> bool:
        """Wait until settled, at most `timeout` seconds."""
        with self._state:
            return self._state.wait_for(lambda: self.settled or self._stopping, timeout) and self.settled

    def _run(self) -> None:
        while not self._stopping:
            with self._state:
                self._begun += 1
                number = self._begun
                self._woken = False
            changed = self.pass_once()
            pace = self._tried("work under way", self._pace, otherwise=_UNKNOWN)
            with self._state:
                if not changed and pace is None and not self.problems:
                    self._quiet = number
                self._state.notify_all()
                if not changed and (self.problems or pace != BUSY):
                    self._state.wait_for(lambda: self._woken or self._stopping, pace or IDLE)
            if pace == BUSY and not self.problems:
                self._carry_runs()

    def _carry_runs(self) -> None:
        """Let the steps of runs follow one another at once, as long as they end soon and nobody pokes."""
        until = time.monotonic() + SPELL
        while time.monotonic() < until and not (self._woken or self._stopping):
            if not self._tried("runs", partial(self._carry, BUSY), otherwise=False):
                return

    def pass_once(self) -> bool:
        """Call every tick once, all at the same moment; True if any of them changed something.

        A tick that fails is logged, shown as a problem, and tried again with the next pass:
        the others go on.
        """
        now = self._tried("clock", self._now, otherwise=None)
        if now is None:
            return False
        changed = [self._tried(name, partial(tick, now), otherwise=False) for name, tick in self._ticks]
        return any(changed)

    def _tried(self, name: str, duty: Callable[[], T], *, otherwise: T) -> T:
        try:
            found = duty()
        except Exception as error:
            if self.problems.get(name) != str(error):
                log.exception("%s failed", name)
            self.problems[name] = str(error) or type(error).__name__
            return otherwise
        self.problems.pop(name, None)
        return found
