"""The peak of memory that a step is told to have had."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from penstock.adapters.executors.usage import Peak

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="this system forgets no peak"
)
MUCH = 64 * 2**20
CHILD = """
from penstock.adapters.executors.usage import Peak
peak = Peak()
peak.forget()
print(peak.read())
"""


def test_a_peak_is_what_there_was_since_it_was_forgotten() -> None:
    peak = Peak()
    peak.forget()
    before = peak.read()
    held = b"x" * MUCH
    del held
    high = peak.read()
    assert high - before > 0.9 * MUCH
    peak.forget()
    assert peak.read() < high - 0.9 * MUCH


def test_a_process_is_not_told_to_have_had_what_the_one_that_started_it_holds() -> None:
    held = b"x" * (4 * MUCH)
    child = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, text=True, check=True)
    assert 0 < int(child.stdout) < len(held)
