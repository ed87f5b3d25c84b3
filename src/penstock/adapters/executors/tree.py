"""Ending a worker with everything that it has started, wherever that has gone.

Each worker carries a mark in its environment that whatever it starts inherits. So a process is found that
left the worker's process group, or whose parents are gone, where the system shows environments (Linux).
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

MARK = "PENSTOCK_WORKER"
_PASSES = 20
"""How often to look again for what was started while its parent was being ended."""


def new_mark() -> str:
    """A mark that no other worker has."""
    return uuid4().hex


def end_tree(group: int, mark: str) -> None:
    """Kill a process group and every process that carries the mark, but this one last of all."""
    for _ in range(_PASSES):
        _kill_group(group)
        others = [pid for pid in marked(mark) if pid != os.getpid()]
        for pid in others:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if not others:
            return


def marked(mark: str) -> Iterator[int]:
    """The processes that carry a mark and have not ended."""
    wanted = f"{MARK}={mark}".encode()
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # ended meanwhile, or somebody else's
            if wanted in (entry / "environ").read_bytes().split(b"\0"):
                yield int(entry.name)


def _kill_group(group: int) -> None:
    if group != os.getpgrp():
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)
