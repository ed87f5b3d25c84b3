"""`python -m benchmarks.serving [--quick] [--only PART …]`: the prediction service beside other servers."""

from __future__ import annotations

from benchmarks.frame.area import measure
from benchmarks.frame.bench import Bench
from benchmarks.serving.answers import model_a, model_b
from benchmarks.serving.life import swaps
from benchmarks.serving.many import many

PARTS = {"a": model_a, "b": model_b, "swaps": swaps, "many": many}

if __name__ == "__main__":
    measure("serving", "The prediction service beside other servers of the same models.", Bench, PARTS)
