"""Runs one program of a project within limits, and ends everything that it started when it ends.

`python -IS supervisor.py PARENT LIMITS USER AFTER... -- COMMAND...`: LIMITS are names of `resource.RLIMIT_*`
without the prefix, and numbers (`CORE=0,NOFILE=4096`), USER the numbers of the user and group that the
program becomes (`65534:65534`) or empty, AFTER a command to do when all has ended, or nothing. It ends as the
program did. It uses little of the standard library, as what it imports delays each program, and asks Linux
for three things: to become the parent of what lost its own (so that nothing escapes by forking twice), to be
told when its own parent is killed, and to have the program killed when it is killed itself. In a container it
is the first process, with PARENT 0.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
import warnings  # noqa: F401 - os.execvp imports it, which another user may be unable to
from contextlib import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

_DIE_WITH_PARENT, _BE_SUBREAPER = 1, 36


def main(
    parent: int, limits: dict[str, int], user: list[int], after: list[str], command: list[str]
) -> NoReturn:
    """Run the command; does not return."""

    def end_all(*_: object) -> NoReturn:
        _end_children()
        _finish(after)
        os._exit(128 + signal.SIGTERM)

    def orphaned(*_: object) -> None:
        if os.getppid() != parent:  # else a thread of it has ended, by which this process was started
            end_all()

    signal.signal(signal.SIGTERM, end_all)
    signal.signal(signal.SIGUSR1, orphaned)
    _prctl(_BE_SUBREAPER, 1)
    _prctl(_DIE_WITH_PARENT, signal.SIGUSR1)
    if os.getppid() != parent:
        sys.exit("its parent has died already")
    me, program = os.getpid(), os.fork()
    if program == 0:
        _become(me, limits, user, command)
    while True:
        ended, status = os.wait()
        if ended == program:
            break
    _end_children()
    if os.WIFSIGNALED(status):
        if me == 1:  # signals do not end the first process of a container
            os._exit(128 + os.WTERMSIG(status))
        with suppress(OSError):  # of SIGKILL, which needs it not
            signal.signal(os.WTERMSIG(status), signal.SIG_DFL)
        os.kill(me, os.WTERMSIG(status))
    os._exit(os.waitstatus_to_exitcode(status))


def _become(supervisor: int, limits: dict[str, int], user: list[int], command: list[str]) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGUSR1, signal.SIG_DFL)
    for name, most in limits.items():
        kind = getattr(resource, f"RLIMIT_{name}")
        allowed = resource.getrlimit(kind)[1]
        limit = most if allowed == resource.RLIM_INFINITY else min(most, allowed)
        resource.setrlimit(kind, (limit, limit))
    try:
        if user:
            number, group = user
            os.umask(0o022)
            os.setgroups([])
            os.setgid(group)
            os.setuid(number)
        _prctl(_DIE_WITH_PARENT, signal.SIGKILL)  # Linux forgets it where the user changes
        if os.getppid() != supervisor:
            os._exit(1)
        os.execvp(command[0], command)  # noqa: S606 - no shell is wanted
    except OSError as error:
        sys.stderr.write(f"{command[0]} cannot be started: {error.strerror}\n")
        sys.stderr.flush()
        os._exit(127)


def _finish(after: list[str]) -> None:
    if after:
        import subprocess  # takes long, and is seldom needed

        with suppress(OSError, subprocess.SubprocessError):
            subprocess.run(after, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=60)


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
    _parent, _limits, _user, *_words = sys.argv[1:]
    _at = _words.index("--")
    main(
        int(_parent), _read(_limits), [int(n) for n in _user.split(":") if n], _words[:_at], _words[_at + 1 :]
    )
