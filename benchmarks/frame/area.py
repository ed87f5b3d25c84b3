"""The command of an area: `python -m benchmarks.AREA [--quick] [--only PART …]`."""

from __future__ import annotations

import argparse
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from benchmarks.frame.bench import Bench
from benchmarks.frame.page import refresh
from benchmarks.frame.report import say, show
from benchmarks.frame.results import QUICK, RESULTS, Results

B = TypeVar("B", bound=Bench)


def measure(area: str, about: str, kind: type[B], parts: Mapping[str, Callable[[B], None]]) -> None:
    """Measure the parts in turn; one that breaks loses none of the others."""
    words = argparse.ArgumentParser(prog=f"python -m benchmarks.{area}", description=about)
    words.add_argument(
        "--quick", action="store_true", help="once each, on less, kept apart from real results"
    )
    words.add_argument(
        "--only",
        nargs="+",
        choices=parts,
        default=list(parts),
        help="these parts only; the rest stays as it was",
    )
    asked = words.parse_args()
    started = time.monotonic()
    folder, some = (QUICK if asked.quick else RESULTS), len(asked.only) < len(parts)
    results = Results(area, f"make bench-{area}", folder, keep=some)
    with tempfile.TemporaryDirectory(prefix="penstock-bench-", ignore_cleanup_errors=True) as state:
        bench = kind(folder=Path(state), results=results, quick=asked.quick)
        for name in asked.only:
            say(f"— {name}, {time.monotonic() - started:.0f} s so far")
            try:
                parts[name](bench)
            except Exception:  # noqa: BLE001 the others are still to be measured
                say(traceback.format_exc())
    show(area.capitalize(), results.rows)
    say(f"{time.monotonic() - started:.0f} s, kept in {results.file}")
    say(f"the page: {refresh(folder)}")
