"""`python -m benchmarks.verdicts [--quick] [--only PART …]`: tests in production, and t-tests repeated."""

from __future__ import annotations

from benchmarks.frame.area import measure
from benchmarks.frame.bench import Bench
from benchmarks.verdicts.peeking import equals, labels_needed

PARTS = {"equals": equals, "needed": labels_needed}

if __name__ == "__main__":
    measure(
        "verdicts",
        "How often looking again and again is wrong, and what it takes to know.",
        Bench,
        PARTS,
    )
