"""Runs one program of a build within limits, and ends everything that it started when it ends.

`python -IS supervisor.py PARENT LIMITS COMMAND...`, where LIMITS are names of `resource.RLIMIT_*` without the
prefix, and numbers: `CORE=0,NOFILE=4096`. It ends as the program did. It uses little of the standard library,
as what it imports delays each program, and asks
Linux for three things: to become the parent of what lost its own (so that nothing escapes by forking twice),
to be told when its own parent is killed, and to have the program killed when it is killed itself.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from contextlib import suppress
from typing import NoReturn

_DIE_WITH_PARENT, _BE_SUBREAPER = 1, 36


def main(parent: int, limits: dict[str, int], command: list[str]) -> NoReturn:
    """Run the command; does not return."""
    signal.signal(signal.SIGTERM, _end_all)
    _prctl(_BE_SUBREAPER, 1)
    _prctl(_DIE_WITH_PARENT, signal.SIGTERM)
    if os.getppid() != parent:
        sys.exit("its parent has died already")
    me, program = os.getpid(), os.fork()
    if program == 0:
        _become(me, limits, command)
    while True:
        ended, status = os.wait()
        if ended == program:
            break
    _end_children()
    if os.WIFSIGNALED(status):
        with suppress(OSError):  # of SIGKILL, which needs it not
            signal.signal(os.WTERMSIG(status), signal.SIG_DFL)
        os.kill(me, os.WTERMSIG(status))
    os._exit(os.waitstatus_to_exitcode(status))


def _become(supervisor: int, limits: dict[str, int], command: list[str]) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    if os.getppid() != supervisor:
        os._exit(1)
    for name, most in limits.items():
        kind = getattr(resource, f"RLIMIT_{name}")
        allowed = resource.getrlimit(kind)[1]
        limit = most if allowed == resource.RLIM_INFINITY else min(most, allowed)
        resource.setrlimit(kind, (limit, limit))
    try:
        os.execvp(command[0], command)  # noqa: S606 - no shell is wanted
    except OSError as error:
        sys.stderr.write(f"{command[0]} cannot be started: {error.strerror}\n")
        sys.stderr.flush()
        os._exit(127)


def _end_all(*_: object) -> NoReturn:
    _end_children()
    os._exit(128 + signal.SIGTERM)


def _end_children() -> None:
    """Kill until nothing is left: what a killed process leaves behind becomes our child."""
    while True:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:  # nothing is left
            return
        for child in _children():
            with suppress(ProcessLookupError, PermissionError):
                os.kill(child, signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(-1, 0)


def _children() -> list[int]:
    me, found = os.getpid(), []
    for name in filter(str.isdecimal, os.listdir("/proc")):  # noqa: PTH208 - pathlib takes long to import
        with suppress(OSError), open(f"/proc/{name}/stat", errors="replace") as stat:  # noqa: PTH123 - the same
            state, parent = stat.read().rpartition(")")[2].split()[:2]
            if int(parent) == me and state != "Z":
                found.append(int(name))
    return found


def _read(limits: str) -> dict[str, int]:
    pairs = (limit.split("=") for limit in limits.split(",") if limit)
    return {name: int(most) for name, most in pairs}


def _prctl(option: int, value: int) -> None:
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl:
        prctl(option, value)


if __name__ == "__main__":
    main(int(sys.argv[1]), _read(sys.argv[2]), sys.argv[3:])
