"""How long a window takes beside a large reference, and how much memory."""

from __future__ import annotations

from benchmarks.frame.bench import Bench
from benchmarks.frame.environments import Failed
from benchmarks.frame.measure import Samples
from benchmarks.frame.results import Bar
from benchmarks.monitoring.contenders import EVIDENTLY, NANNYML, OURS, PEERS, Contender, Findings, Task
from benchmarks.monitoring.drift import STILL

PATIENCE = 150.0
"""Seconds after which a contender is not waited for any longer."""


def speed(bench: Bench) -> None:
    """A window of 100,000 rows beside a reference of a million, of 50 columns."""
    scale = 20 if bench.quick else 1
    rows, window = 1_000_000 // 50 // scale, 100_000 // scale
    task = Task(
        seed=400, rows=rows, days=50, window=window, changes=[STILL] * (2 if bench.quick else 5), daily=0.05
    )
    ours, theirs = _asked(bench, OURS, task), {}
    for peer in PEERS:
        few = Task(
            seed=400,
            rows=rows,
            days=50,
            window=window,
            changes=[STILL] * (1 if peer is EVIDENTLY else 3),
            daily=0.05,
        )
        theirs[peer.name] = _asked(bench, peer, few, *(["preset"] if peer is EVIDENTLY else []))
    shape = f"{window:,} by 50 beside {rows * 50:,}"
    for peer in PEERS:
        told = {
            "a window, reference known": (
                "s",
                lambda found: list(found.took),
                Bar(times=20) if peer is NANNYML else None,
            ),
            **(
                {}
                if peer is EVIDENTLY
                else {"the reference, learnt": ("s", lambda found: [found.learnt], None)}
            ),
            "memory at most": ("MB", lambda found: [found.peak], None),
        }
        for what, (unit, of, bar) in told.items():
            mine, other = (
                Samples(values=of(found)) if isinstance(found, Findings) else Samples(error=found)
                for found in (ours, theirs[peer.name])
            )
            bench.results.add(
                f"drift check, {what}", unit, mine, other, peer.name, peer.version(), bar=bar, note=shape
            )


def _asked(bench: Bench, contender: Contender, task: Task, *words: str) -> Findings | str:
    try:
        return contender.judge(bench, task, *words, timeout=PATIENCE)
    except Failed as error:
        return str(error)
