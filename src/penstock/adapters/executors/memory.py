"""The most memory that this process has held at once."""

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
