"""`python -m benchmarks.features [--quick] [--only PART …] [--large ROWS]`: the feature store."""

from __future__ import annotations

import argparse
import sys
from functools import partial

from benchmarks.features import joins, online, validation
from benchmarks.features.bench import Bench
from benchmarks.features.large import large
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
    asked, sys.argv[1:] = words.parse_known_args()
    parts = dict(PARTS)
    if asked.large:  # takes from minutes to an hour, so it is a part only when it is asked for
        parts["large"] = partial(large, asked.large)
        sys.argv += [] if "--only" in sys.argv else ["--only", "large"]
    measure("features", "The feature store beside Feast and bare programs.", Bench, parts)
