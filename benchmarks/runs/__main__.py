"""`python -m benchmarks.runs [--quick] [--only PART …]`: runs and metadata beside the peers."""

from __future__ import annotations

from benchmarks.frame.area import measure
from benchmarks.runs import growth, memory, metadata, steady, whole
from benchmarks.runs.bench import Bench

PARTS = {
    "shapes": steady.shapes_and_peers,
    "overhead": steady.overhead,
    "cached": whole.cached,
    "starts": whole.starts,
    "memory": memory.memory,
    "metadata": metadata.metadata,
    "search": growth.search,
    "growth": growth.growth,
}

if __name__ == "__main__":
    measure("runs", "Runs and metadata beside the peers.", Bench, PARTS)
