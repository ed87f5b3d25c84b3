"""What this process has used: the most memory that it held at once, and time of processors."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")
_RESET = Path("/proc/self/clear_refs")


def forget_peak() -> None:
    """Begin to measure anew, where the system can (Linux)."""
    if _RESET.exists():
        _RESET.write_text("5")


def peak() -> int:
    """The peak of resident memory in bytes, since `forget_peak` where the system can, else ever."""
    if _STATUS.exists():
        lines = _STATUS.read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def cpu_seconds() -> float:
    """The time of processors that this process, all its threads and its ended children have used."""
    used = (resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)
