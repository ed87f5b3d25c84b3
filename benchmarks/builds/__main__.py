"""`python -m benchmarks.builds [--quick] [--only PART …]`: builds beside plain tools."""

from __future__ import annotations

from benchmarks.builds.environment import environments
from benchmarks.builds.push import pushes
from benchmarks.frame.area import measure
from benchmarks.frame.bench import Bench

PARTS = {"environment": environments, "push": pushes}

if __name__ == "__main__":
    measure("builds", "Builds beside the same duties done with plain tools.", Bench, PARTS)
