"""Child processes of a build: supervised and isolated, their output in the build's log, none left behind."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, cast

from penstock.adapters.builders.output import Output
from penstock.adapters.isolation.limits import limits
from penstock.adapters.isolation.plain import PlainProcess
from penstock.adapters.isolation.program import Isolation, Program, Start
from penstock.core.errors import PenstockError, Unavailable

_PLAIN = PlainProcess(Path())
_CHUNK = 256 * 1024
_GRACE = 10.0
"""Seconds in which a supervisor has to end what it watches over."""
_POLL = 0.1


class Stopped(PenstockError):
    """The system is stopping, or the build was cancelled; this was not finished."""

    code = "stopped"


class TookTooLong(Unavailable):
    """A program did not end in time."""

    code = "took_too_long"


class Processes:
    """Starts child processes and ends them all on `close`. Methods may be called from many threads."""

    def __init__(self, isolation: Isolation = _PLAIN) -> None:
        """`isolation` is for programs that are a project's or may run its code."""
        self._isolation = isolation
        self._lock = threading.Lock()
        self._running: dict[subprocess.Popen[bytes], Path] = {}
        self._cancelled: set[Path] = set()
        self._closed = False

    def run(
        self,
        command: Sequence[str],
        *,
        folder: Path,
        variables: Mapping[str, str],
        log: Path,
        timeout: float,
        writes: Sequence[Path] = (),
        reads: Sequence[Path] = (),
        trusted: bool = False,
    ) -> int:
        """Run a command until it ends; gives its status, negative for a signal. Output is added to `log`, to
        which nothing else writes meanwhile.

        It is isolated, with the folders that it `writes` to and what it `reads`, unless it is `trusted`: ours
        alone, and running no code of a project.

        What it started and left running is killed. Raises Stopped after `close` and while what writes to
        `log` is cancelled, and TookTooLong after `timeout` seconds.
        """
        program = Program(
            command=command,
            folder=folder,
            variables=variables,
            writes=writes,
            reads=reads,
            limits=limits(timeout),
        )
        isolation = _PLAIN if trusted else self._isolation
        with Output(log) as output, isolation.enclosed(program) as start:
            output.write(f"$ {' '.join(command)}\n".encode())
            process = self._start(start, log)
            try:
                in_time = _copy(process, output, time.monotonic() + timeout)
            finally:
                _end(process)
                with self._lock:
                    del self._running[process]
            if self._refuses(log):
                raise Stopped
            if not in_time:
                what = f"{Path(command[0]).name} did not end within {timeout:g} seconds."
                output.write(f"{what}\n".encode())
                raise TookTooLong(what=what, fix="See the build's log.")
        return start.status(process.returncode)

    def cancel(self, *places: Path) -> None:
        """Kill what writes to one of these logs, or to one below these folders; refuse what comes."""
        with self._lock:
            self._cancelled |= set(places)
            for process, log in self._running.items():
                if self._refuses(log):
                    process.terminate()

    def allow(self, *places: Path) -> None:
        """Take back `cancel`."""
        with self._lock:
            self._cancelled -= set(places)

    def close(self) -> None:
        """Kill what runs and refuse what comes."""
        with self._lock:
            self._closed = True
            for process in self._running:
                process.terminate()

    def _refuses(self, log: Path) -> bool:
        return self._closed or not self._cancelled.isdisjoint([log, *log.parents])

    @property
    def shut(self) -> bool:
        """Whether programs are kept from what the user of the system can reach."""
        return self._isolation.shuts

    def _start(self, start: Start, log: Path) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._refuses(log):
                raise Stopped
            process = start.launch(stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            self._running[process] = log
            return process


def _copy(process: subprocess.Popen[bytes], output: Output, until: float) -> bool:
    """Copy what a process prints until it ends; whether it did so by `until`."""
    pipe = cast("BinaryIO", process.stdout)
    os.set_blocking(pipe.fileno(), False)
    open_still = True
    while True:
        ended = process.poll() is not None
        while open_still and (data := pipe.read(_CHUNK)) is not None:
            output.write(data)
            open_still = bool(data)
            if time.monotonic() > until:
                break
        if ended or time.monotonic() > until:
            return ended
        if open_still:
            select.select([pipe], [], [], _POLL)
        else:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_POLL)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Have the supervisor end all; where it cannot any more, end its group, and so its program."""
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_GRACE)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdout is not None:
        process.stdout.close()
