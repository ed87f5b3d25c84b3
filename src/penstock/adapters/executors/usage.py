"""What processes use: memory, now and at most, and time of processors."""

from __future__ import annotations

import os
import resource
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path

_RESET = "/proc/self/clear_refs"
_ENOUGH = 1 << 14


def forget_peak() -> None:
    """Begin to measure anew, where the system can (Linux): for everybody, VmHWM and ru_maxrss as well."""
    with suppress(FileNotFoundError):
        reset = os.open(_RESET, os.O_WRONLY)
        os.write(reset, b"5")
        os.close(reset)


def peak() -> int:
    """The peak of resident memory in bytes, since `forget_peak` where the system can, else ever."""
    with suppress(FileNotFoundError):
        said = os.pread(_status_of(os.getpid()), _ENOUGH, 0)
        return int(said.partition(b"VmHWM:")[2].split(maxsplit=1)[0]) * 1024
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


@cache
def _status_of(pid: int) -> int:
    """A descriptor that is kept: to open such a file takes longer than to read it."""
    return os.open(f"/proc/{pid}/status", os.O_RDONLY)


def cpu_seconds() -> float:
    """The time of processors that this process, all its threads and its ended children have used."""
    used = (resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)


def held_by(pid: int) -> int:
    """The memory that a process and all its children hold for themselves now, in bytes; 0 if it is gone.

    Mapped files do not count: the system can drop them. What forked children still share with
    their parent counts once.
    """
    tree = _with_children(pid)
    alone = sum(_status(each, "RssAnon", "RssShmem") for each in tree)
    return alone if len(tree) == 1 else sum(_shares(each) for each in tree)


def _with_children(pid: int) -> list[int]:
    found = [pid]
    for each in found:
        for children in Path(f"/proc/{each}/task").glob("*/children"):
            with suppress(OSError):
                found += [int(child) for child in children.read_text().split()]
    return found


def _status(pid: int, *names: str) -> int:
    return _kilobytes(Path(f"/proc/{pid}/status"), names) * 1024


def _shares(pid: int) -> int:
    return _kilobytes(Path(f"/proc/{pid}/smaps_rollup"), ("Pss_Anon", "Pss_Shmem")) * 1024


def _kilobytes(path: Path, names: tuple[str, ...]) -> int:
    try:
        lines = path.read_text().splitlines()
    except OSError:  # it has ended, or this system has no such file
        return 0
    return sum(int(line.split()[1]) for line in lines if line.partition(":")[0] in names)
