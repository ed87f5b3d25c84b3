"""`python -m benchmarks.features [--quick] [--only PART …] [--large | --parted ROWS]`: the feature store."""

from __future__ import annotations

import argparse
import sys
from functools import partial

from benchmarks.features import joins, online, validation
from benchmarks.features.bench import Bench
from benchmarks.features.large import large
from benchmarks.features.parted import parted
from benchmarks.frame.area import measure

PARTS = {
    "training": joins.training,
    "small": joins.small,
    "online": online.online,
    "growth": joins.growth,
    "validation": validation.validation,
}

if __name__ == "__main__":
    words = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    words.add_argument("--large", type=int, metavar="ROWS")
    words.add_argument("--parted", type=int, metavar="ROWS")
    asked, sys.argv[1:] = words.parse_known_args()
    parts = dict(PARTS)
    named = {"large": (large, asked.large), "parted": (parted, asked.parted)}
    # These take from minutes to an hour, so they are parts only when they are asked for.
    wanted = {name: partial(part, rows) for name, (part, rows) in named.items() if rows}
    if wanted:
        parts |= wanted
        sys.argv += [] if "--only" in sys.argv else ["--only", *wanted]
    measure("features", "The feature store beside Feast and bare programs.", Bench, parts)
