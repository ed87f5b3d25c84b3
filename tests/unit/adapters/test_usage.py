"""The peak of memory that a step is told to have had."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.adapters.executors.usage import forget_peak, peak

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="this system forgets no peak"
)
MUCH = 64 * 2**20


def test_a_peak_is_what_there_was_since_it_was_forgotten() -> None:
    forget_peak()
    before = peak()
    held = b"x" * MUCH
    del held
    high = peak()
    assert high - before > 0.9 * MUCH
    forget_peak()
    assert peak() < high - 0.9 * MUCH
