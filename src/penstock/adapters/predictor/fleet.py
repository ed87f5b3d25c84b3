"""The processes that serve a home, started as copies of one that only watches them."""

from __future__ import annotations

import logging
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable

import msgspec

from penstock.core.errors import PenstockError

QUICK, LONGEST_PAUSE = 1.0, 5.0
"""Seconds that a process lives at least to be replaced at once; the longest pause before a further try."""
Serve = Callable[[int, int, Callable[[], None]], None]
_log = logging.getLogger("penstock.predictor")


class _Copy(msgspec.Struct):
    """A process in its place; `failed` counts those before it that ended as they began."""

    place: int
    pid: int
    ended: int
    tells: int
    began: float
    failed: int


class Fleet:
    """Keeps a process in each place until it is told that it is enough.

    Their sockets stay open here: clients of one that was killed wait for the next.
    """

    def __init__(self, serve: Serve, places: int) -> None:
        """`serve(place, alive, ready)` is what a process does: it calls `ready` when it answers, and returns
        when the file `alive` is at its end.
        """
        self._serve = serve
        self._places = places
        self._copies: dict[int, _Copy] = {}
        self._due: dict[int, tuple[float, int]] = {}
        self._looking = selectors.DefaultSelector()
        self._alive, self._end = os.pipe()

    def run(self, ready: Callable[[], None]) -> str:
        """Serve until a signal or the end of the standard input; `ready` is called when all processes answer.

        Gives why the first of them could not begin, empty otherwise.
        """
        woken, wakes = socket.socketpair()
        for each in (woken, wakes):
            each.setblocking(False)
        signal.set_wakeup_fd(wakes.fileno())
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)
        self._looking.register(woken, selectors.EVENT_READ, "signal")
        self._looking.register(sys.stdin, selectors.EVENT_READ, "input")
        for place in range(self._places):
            self._start(place, 0)
        error = self._watch(ready)
        self._stop()
        return error

    def _watch(self, ready: Callable[[], None]) -> str:
        answering: set[int] = set()
        begun = False
        while True:
            rest = min((due for due, _ in self._due.values()), default=None)
            patience = None if rest is None else max(0.0, rest - time.monotonic())
            for key, _ in self._looking.select(patience):
                if key.data == "signal" or (key.data == "input" and not os.read(sys.stdin.fileno(), 1024)):
                    return ""
                if isinstance(key.data, _Copy):
                    copy = key.data
                    if key.fd == copy.tells:
                        told = self._told(copy)
                        answering |= {copy.place} if told == b"ready" else set()
                        if told and told != b"ready" and not begun:
                            return told.decode()
                    elif not self._ended(copy) and not begun:
                        return "a process of it ended as it began; its log says why"
            if not begun and len(answering) == self._places:
                begun = True
                ready()
            now = time.monotonic()
            for place in [place for place, (due, _) in self._due.items() if due <= now]:
                self._start(place, self._due.pop(place)[1])

    def _start(self, place: int, failed: int) -> None:
        tells, tell = os.pipe()
        pid = os.fork()
        if not pid:
            os.close(self._end)
            self._be(place, tell)
        os.close(tell)
        copy = _Copy(place, pid, os.pidfd_open(pid), tells, time.monotonic(), failed)
        self._copies[place] = copy
        for file in (copy.ended, tells):
            self._looking.register(file, selectors.EVENT_READ, copy)

    def _be(self, place: int, tell: int) -> None:
        """Be a process of this place, to its end."""
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_DFL)
            self._serve(place, self._alive, lambda: _say(tell, b"ready"))
            code = 0
        except PenstockError as error:
            _say(tell, str(error).encode())
        except Exception:  # noqa: BLE001 - nothing of the process that it is a copy of may go on here
            _log.exception("a process of the prediction service failed")
        finally:
            sys.stderr.flush()
            os._exit(code)

    def _told(self, copy: _Copy) -> bytes:
        told = os.read(copy.tells, 4096)
        self._looking.unregister(copy.tells)
        os.close(copy.tells)
        copy.tells = -1
        return told

    def _ended(self, copy: _Copy) -> bool:
        """Take note of the end of a process, which another one follows; whether it had begun to answer."""
        begun = copy.tells == -1
        os.waitpid(copy.pid, 0)
        self._looking.unregister(copy.ended)
        os.close(copy.ended)
        if not begun:
            self._looking.unregister(copy.tells)
            os.close(copy.tells)
        del self._copies[copy.place]
        now = time.monotonic()
        failed = 0 if now - copy.began > QUICK else copy.failed + 1
        pause = min(LONGEST_PAUSE, 0.1 * 2**failed) if failed else 0.0
        self._due[copy.place] = (now + pause, failed)
        _log.warning("process %d of the prediction service ended; another takes its place", copy.pid)
        return begun

    def _stop(self) -> None:
        """Let all processes end what they do."""
        os.close(self._end)
        for copy in self._copies.values():
            os.waitpid(copy.pid, 0)


def _say(file: int, text: bytes) -> None:
    os.write(file, text)
    os.close(file)
