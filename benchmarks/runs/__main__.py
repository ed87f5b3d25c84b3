"""`python -m benchmarks.runs [--quick] [--only WORD …]`: runs and metadata beside the peers."""

from __future__ import annotations

import argparse
import tempfile
import time
import traceback
from pathlib import Path

from benchmarks.frame.page import refresh
from benchmarks.frame.report import say, show
from benchmarks.frame.results import QUICK, RESULTS, Results
from benchmarks.runs import growth, memory, metadata, steady, whole
from benchmarks.runs.bench import Bench

PARTS = {
    "shapes": steady.shapes_and_overhead,
    "cached": whole.cached,
    "starts": whole.starts,
    "memory": memory.memory,
    "metadata": metadata.metadata,
    "search": growth.search,
    "growth": growth.growth,
}


def main() -> None:
    """Measure the parts in turn; one that breaks loses none of the others."""
    words = argparse.ArgumentParser(prog="python -m benchmarks.runs", description=__doc__)
    words.add_argument(
        "--quick", action="store_true", help="once each, on less, kept apart from real results"
    )
    words.add_argument(
        "--only",
        nargs="+",
        choices=PARTS,
        default=list(PARTS),
        help="these parts only; the rest stays as it was",
    )
    asked = words.parse_args()
    started = time.monotonic()
    folder, some = (QUICK if asked.quick else RESULTS), len(asked.only) < len(PARTS)
    results = Results("runs", "make bench-runs", folder, keep=some)
    with tempfile.TemporaryDirectory(prefix="penstock-bench-", ignore_cleanup_errors=True) as state:
        bench = Bench(folder=Path(state), results=results, quick=asked.quick)
        for name in asked.only:
            say(f"— {name}, {time.monotonic() - started:.0f} s so far")
            try:
                PARTS[name](bench)
            except Exception:  # noqa: BLE001 the others are still to be measured
                say(traceback.format_exc())
    show("Runs", results.rows)
    say(f"{time.monotonic() - started:.0f} s, kept in {results.file}")
    say(f"the page: {refresh(folder)}")


if __name__ == "__main__":
    main()
