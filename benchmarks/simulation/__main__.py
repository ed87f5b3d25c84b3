"""`python -m benchmarks.simulation [--quick] [--only PART …]`: ten months of flights under six policies."""

from __future__ import annotations

from benchmarks.frame.area import measure
from benchmarks.frame.bench import Bench
from benchmarks.simulation.flights import simulated

PARTS = {"flights": simulated}

if __name__ == "__main__":
    measure("simulation", "How long it takes to try policies of retraining on the past.", Bench, PARTS)
