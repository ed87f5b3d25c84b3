"""`python -m benchmarks.monitoring [--quick] [--only PART …]`: what monitoring says of known streams."""

from __future__ import annotations

from benchmarks.frame.area import measure
from benchmarks.frame.bench import Bench
from benchmarks.monitoring.delays import delay
from benchmarks.monitoring.drift import false_alarms, power
from benchmarks.monitoring.estimates import estimates
from benchmarks.monitoring.pairs import pairs
from benchmarks.monitoring.relation import relation
from benchmarks.monitoring.speed import speed

PARTS = {
    "speed": speed,
    "estimates": estimates,
    "power": power,
    "delay": delay,
    "pairs": pairs,
    "relation": relation,
    "false_alarms": false_alarms,
}

if __name__ == "__main__":
    measure("monitoring", "False alarms, changes found, and how soon and how fast.", Bench, PARTS)
