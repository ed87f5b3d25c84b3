"""What people read of gates: a change of these sentences must be meant."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from penstock.deployments.decide import Contract, Facts, Quality, judge
from penstock.serving.types import LoadReport, Probe

GATE = ("roc_auc >= 0.65", "roc_auc >= champion.roc_auc - 0.005", "accuracy >= 0.9", "contract")
FIRST = Facts(recorded={"roc_auc": 0.71}, contract=Contract(examples=20, max_difference=2e-7))
NEXT = Facts(
    recorded={"roc_auc": 0.71},
    contract=Contract(examples=20, max_difference=0.4, labels_differ=7),
    candidate=Quality(metrics={"roc_auc": 0.71}),
    champion=3,
    champion_recorded={"roc_auc": 0.9},
    champion_measured=Quality(metrics={"roc_auc": 0.7}),
    holdout=30_000,
    measured=20_000,
)


LOAD = "load: 500/s for 10s, p99 <= 20ms, errors == 0"
PROOFS = ("infrastructure", LOAD)
FITS = Probe(memory=30_000_000, available=8_000_000_000, seconds=0.123, answers=0.00004)
TOO_LARGE = replace(FITS, memory=9_000_000_000)
QUICK = LoadReport(
    requests=5000,
    errors=0,
    throughput=499.7,
    p50=0.8,
    p95=2.1,
    p99=4.25,
    max=17.0,
    memory_before=80_000_000,
    memory_after=81_000_000,
)
SLOW = replace(QUICK, errors=12, p99=350.0, why="503: it is not ready")


def told(gate: tuple[str, ...], facts: Facts) -> str:
    lines = []
    for verdict in judge(gate, "delay", facts):
        lines.append(f"{'passed' if verdict.passed else 'FAILED'}  {verdict.check}: {verdict.why}")
        if "champion_source" in verdict.evidence:
            lines.append(f"        {verdict.evidence['champion_source']}")
    return "\n".join(lines) + "\n\n"


def test_the_verdicts_of_gates_read_as_kept(golden: Callable[[str, str], None]):
    golden(
        "gates.txt",
        told(GATE, FIRST)
        + told(GATE, NEXT)
        + told((), FIRST)
        + told(GATE, Facts(recorded={}, load_error="its file is damaged"))
        + told(GATE, Facts(recorded={"roc_auc": 0.71}, champion=3, champion_recorded={"roc_auc": 0.7}))
        + told(PROOFS, Facts(recorded={}, infrastructure=FITS, loads={LOAD: QUICK}))
        + told(PROOFS, Facts(recorded={}, infrastructure=TOO_LARGE, loads={LOAD: SLOW}))
        + told(PROOFS, Facts(recorded={})),
    )
