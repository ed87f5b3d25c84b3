"""Child processes of a build: each in its own group, its output in the build's log, none left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from penstock.core.errors import PenstockError, Unavailable

_DIE_WITH_PARENT = """\
import ctypes, os, signal, sys
prctl = getattr(ctypes.CDLL(None), "prctl", None)
if prctl:
    prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
if os.getppid() != int(sys.argv[1]):
    sys.exit("its parent has died already")
os.execvp(sys.argv[2], sys.argv[2:])
"""


class Stopped(PenstockError):
    """The system is stopping; this was not finished."""

    code = "stopped"


class Processes:
    """Starts child processes and ends them all on `close`. Methods may be called from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._closed = False

    def run(
        self,
        command: Sequence[str],
        *,
        folder: Path,
        variables: Mapping[str, str],
        log: Path,
        timeout: float,
    ) -> int:
        """Run a command until it ends; gives its status, negative for a signal. Output is added to `log`.

        What it started and left running is killed. Raises Stopped after `close`, and Unavailable
        when it takes longer than `timeout` seconds.
        """
        with log.open("ab") as output:
            output.write(f"$ {' '.join(command)}\n".encode())
            output.flush()
            process = self._start(command, folder, variables, output.fileno())
            try:
                status = process.wait(timeout)
            except subprocess.TimeoutExpired as error:
                what = f"{Path(command[0]).name} did not end within {timeout:.0f} seconds."
                raise Unavailable(what=what, fix="See the build's log.") from error
            finally:
                _kill(process)
                with self._lock:
                    self._running.discard(process)
        if self._closed:
            raise Stopped
        return status

    def close(self) -> None:
        """Kill what runs and refuse what comes."""
        with self._lock:
            self._closed = True
            for process in self._running:
                _kill(process, wait=False)

    def _start(
        self, command: Sequence[str], folder: Path, variables: Mapping[str, str], output: int
    ) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._closed:
                raise Stopped
            process = subprocess.Popen(
                [sys.executable, "-ISc", _DIE_WITH_PARENT, str(os.getpid()), *command],
                cwd=folder,
                env=dict(variables),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
            self._running.add(process)
            return process


def _kill(process: subprocess.Popen[bytes], *, wait: bool = True) -> None:
    """End the whole group, also when its first process has ended already."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    if wait:
        process.wait()
