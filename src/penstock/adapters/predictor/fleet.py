"""The processes that serve a home, started as copies of one that only watches them."""

from __future__ import annotations

import faulthandler
import logging
import math
import os
import resource
import select
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec

from penstock.core.errors import PenstockError
from penstock.core.sizes import size_text

QUICK, LONGEST_PAUSE = 1.0, 5.0
"""Seconds that a process lives at least to be replaced at once; the longest pause before a further try."""
TELLS, SILENT = 1.0, 10.0
"""A process tells each second that it lives; seconds after which one that tells nothing is taken to hang."""
ENDING = 15.0
"""Seconds that processes are given to end what they do."""
ALIVE = b"."
"""What a process tells while it answers; it tells anything else when it cannot begin."""
Serve = Callable[[int, int, Callable[[], None]], None]
_log = logging.getLogger("penstock.predictor")


class _Copy(msgspec.Struct):
    """A process in its place; `failed` counts those before it that ended as they began, `heard` is whether it
    told that it answers, and `silent` for how many seconds it has told nothing since.
    """

    place: int
    pid: int
    ended: int
    tells: int
    began: float
    failed: int
    heard: bool = False
    silent: float = 0.0
    hangs: bool = False


class Fleet:
    """Keeps a process in each place until it is told that it is enough.

    Their sockets stay open here: clients of one that was killed wait for the next. A process that hangs, or
    holds more memory than it may, is ended as if it had died.
    """

    def __init__(self, serve: Serve, places: int, memory: int = 0) -> None:
        """`serve(place, alive, tell)` is what a process does: it calls `tell` again and again while it
        answers, and returns when the file `alive` is at its end. `memory` is the most bytes that one may
        hold with its children, 0 for any.
        """
        self._serve = serve
        self._places = places
        self._memory = memory
        self._copies: dict[int, _Copy] = {}
        self._due: dict[int, tuple[float, int]] = {}
        self._looking, self._looked = selectors.DefaultSelector(), time.monotonic()
        self._alive, self._end = os.pipe()
        self._alone = False

    def run(self, ready: Callable[[], None], outlives: Callable[[], bool] | None = None) -> str:
        """Serve until a signal or a word on the standard input; `ready` is called when all processes answer.

        Where that input ends without a word the parent was killed: then `outlives` is asked again and again
        whether to go on; without it that is the end as well. Gives why the first process could not begin,
        empty otherwise.
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
        error = self._watch(ready, outlives)
        self._stop()
        return error

    def _watch(self, ready: Callable[[], None], outlives: Callable[[], bool] | None) -> str:
        begun = False
        while True:
            for key, _ in self._looking.select(self._patience()):
                if key.data == "signal" or (key.data == "input" and os.read(sys.stdin.fileno(), 1024)):
                    return ""
                if key.data == "input":
                    self._looking.unregister(sys.stdin)
                    self._alone = True
                if isinstance(key.data, _Copy) and (error := self._heed(key.data, key.fd)) and not begun:
                    return error
            if not begun and sum(copy.heard for copy in self._copies.values()) == self._places:
                begun = True
                ready()
            if self._alone and not (outlives and outlives()):
                return ""
            self._go_on(time.monotonic())

    def _heed(self, copy: _Copy, file: int) -> str:
        """Take note of what a process tells, or of its end; gives why it could not begin."""
        if file == copy.tells:
            return self._told(copy)
        return "" if self._ended(copy) else "a process of it ended as it began; its log says why"

    def _go_on(self, now: float) -> None:
        """Begin processes whose time has come, and end those that hang.

        A look counts a second of silence at most: where this process was not awake for longer, the machine
        stood still, and nobody could tell anything.
        """
        for place in [place for place, (due, _) in self._due.items() if due <= now]:
            self._start(place, self._due.pop(place)[1])
        passed, self._looked = min(now - self._looked, TELLS), now
        for copy in self._copies.values():
            copy.silent += passed if copy.heard else 0.0
            if copy.silent >= SILENT:
                self._silence(copy)

    def _patience(self) -> float:
        """Seconds until something is due even if nothing happens."""
        due = min((due for due, _ in self._due.values()), default=math.inf)
        return max(0.0, min(due - time.monotonic(), TELLS))

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
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            faulthandler.enable()  # tells where it was when it is ended, or ends itself
            self._serve(place, self._alive, lambda: _say(tell, ALIVE))
            code = 0
        except PenstockError as error:
            _say(tell, str(error).encode())
        except Exception:  # noqa: BLE001 - nothing of the process that it is a copy of may go on here
            _log.exception("a process of the prediction service failed")
        finally:
            sys.stderr.flush()
            os._exit(code)

    def _told(self, copy: _Copy) -> str:
        """Take note of what a process tells; gives why it cannot begin."""
        told = os.read(copy.tells, 4096)
        if not told:
            self._deaf(copy)
        elif told.strip(ALIVE):
            return told.decode()
        else:
            copy.heard, copy.silent = True, 0.0
            if self._memory and (held := held_by(copy.pid)) > self._memory:
                most = size_text(self._memory)
                _log.error("process %d holds %s, more than %s: it is ended", copy.pid, size_text(held), most)
                os.kill(copy.pid, signal.SIGKILL)
        return ""

    def _silence(self, copy: _Copy) -> None:
        """End a process that hangs. It first writes down where, which may fail."""
        _log.error("process %d has not answered for %g seconds: it is ended", copy.pid, SILENT)
        os.kill(copy.pid, signal.SIGKILL if copy.hangs else signal.SIGABRT)
        copy.hangs, copy.silent = True, 0.0

    def _deaf(self, copy: _Copy) -> None:
        self._looking.unregister(copy.tells)
        os.close(copy.tells)
        copy.tells = -1

    def _ended(self, copy: _Copy) -> bool:
        """Take note of the end of a process, which another one follows; whether it had begun to answer."""
        os.waitpid(copy.pid, 0)
        self._looking.unregister(copy.ended)
        os.close(copy.ended)
        if copy.tells >= 0:
            self._deaf(copy)
        del self._copies[copy.place]
        now = time.monotonic()
        failed = 0 if now - copy.began > QUICK else copy.failed + 1
        pause = min(LONGEST_PAUSE, 0.1 * 2**failed) if failed else 0.0
        self._due[copy.place] = (now + pause, failed)
        _log.warning("process %d of the prediction service ended; another takes its place", copy.pid)
        return copy.heard

    def _stop(self) -> None:
        """Let all processes end what they do; one that does not is ended."""
        os.close(self._end)
        until = time.monotonic() + ENDING
        for copy in self._copies.values():
            if not select.select([copy.ended], [], [], max(0.0, until - time.monotonic()))[0]:
                _log.error("process %d does not end: it is ended", copy.pid)
                os.kill(copy.pid, signal.SIGKILL)
            os.waitpid(copy.pid, 0)


def held_by(pid: int) -> int:
    """The bytes that a process and its children hold for themselves, as far as they are there."""
    held = 0
    for each in (pid, *_children(pid)):
        with suppress(OSError):
            _, resident, shared, *_ = map(int, Path(f"/proc/{each}/statm").read_text().split())
            held += (resident - shared) * os.sysconf("SC_PAGE_SIZE")
    return held


def _children(pid: int) -> list[int]:
    """The processes that any thread of a process has started, and those that they have."""
    found: list[int] = []
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in map(int, file.read_text().split()):
                found += (child, *_children(child))
    return found


def _say(file: int, text: bytes) -> None:
    with suppress(BrokenPipeError):  # nobody listens any more, and says so otherwise
        os.write(file, text)
