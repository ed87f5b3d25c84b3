"""Runs one program of a project within limits, and ends everything that it started when it ends.

`python -IS supervisor.py PARENT PLAN COMMAND...`, where PLAN is JSON: `limits` by the names of
`resource.RLIMIT_*` without the prefix, the `user` (with group) that the program becomes or null, and
a command to do `after` all has ended. It ends as the program did. It uses the standard library alone, and
asks Linux for three things: to become the parent of what lost its own (so that nothing escapes by
forking twice), to be told when its own parent is killed, and to have the program killed when it is killed
itself. In a container it is the first process, with PARENT 0.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

_DIE_WITH_PARENT, _BE_SUBREAPER = 1, 36


def main(parent: int, plan: dict[str, Any], command: list[str]) -> NoReturn:
    """Run the command; does not return."""

    def end_all(*_: object) -> NoReturn:
        _end_children()
        _finish(plan["after"])
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
        _become(me, plan, command)
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


def _become(supervisor: int, plan: dict[str, Any], command: list[str]) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGUSR1, signal.SIG_DFL)
    for name, most in plan["limits"].items():
        kind = getattr(resource, f"RLIMIT_{name}")
        allowed = resource.getrlimit(kind)[1]
        limit = most if allowed == resource.RLIM_INFINITY else min(most, allowed)
        resource.setrlimit(kind, (limit, limit))
    try:
        if plan["user"]:
            user, group = plan["user"]
            os.umask(0o022)
            os.setgroups([])
            os.setgid(group)
            os.setuid(user)
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
        with suppress(OSError, subprocess.SubprocessError):
            subprocess.run(after, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=60)


def _end_children() -> None:
    """Kill until nothing is left: what a killed process leaves behind becomes our child."""
    while True:
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        children = _children()
        for child in children:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(child, signal.SIGKILL)
        if not children:
            return
        with suppress(ChildProcessError):
            os.waitpid(-1, 0)


def _children() -> list[int]:
    me, found = os.getpid(), []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, parent = entry.read_text(errors="replace").rpartition(")")[2].split()[:2]
            if int(parent) == me and state != "Z":
                found.append(int(entry.parent.name))
    return found


def _prctl(option: int, value: int) -> None:
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl:
        prctl(option, value)


if __name__ == "__main__":
    main(int(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3:])
