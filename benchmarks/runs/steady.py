"""What a step costs once everything is warm: the difference of long chains and short ones, by its length."""

from __future__ import annotations

from functools import partial
from statistics import median

from benchmarks.frame.measure import Samples
from benchmarks.frame.results import Bar
from benchmarks.runs.bench import Bench
from benchmarks.runs.peers import INLINE, LIMITS, PEERS, PENSTOCK, PROTOTYPE
from benchmarks.runs.tools import Tool
from benchmarks.runs.whole import shapes

TITLE = "overhead per step, steady"


def shapes_and_overhead(bench: Bench) -> None:
    """Measure the shapes, then long chains, and take the differences."""
    known = shapes(bench)
    tools = (PENSTOCK, *LIMITS)
    once = {tool.name: partial(_long, bench, tool) for tool in tools}
    turns = (bench.contender(name, run, slow=True, warm=False) for name, run in once.items())
    taken = bench.take_turns("chain of 1,000 steps", turns)
    each = {tool: per_step(taken[tool.name], 1000, known["chain_100", tool.name], 100) for tool in tools}
    ours = each[PENSTOCK]
    how = "chains of 1,000 less those of 100"
    bench.results.add(TITLE, "ms", ours, bar=Bar(at_most=3), note=how)
    bench.results.add(TITLE, "ms", ours, each[PROTOTYPE], PROTOTYPE.name, bar=Bar(times=1 / 4), note=how)
    bench.results.add(TITLE, "ms", ours, each[INLINE], INLINE.name, note=how)
    for peer in PEERS:
        if "chain_100" in peer.shapes:
            theirs = per_step(known["chain_100", peer.name], 100, known["chain_10", peer.name], 10)
            bench.results.add(
                TITLE,
                "ms",
                ours,
                theirs,
                peer.name,
                peer.version(),
                note="theirs: chains of 100 less those of 10",
            )


def _long(bench: Bench, tool: Tool, number: int) -> float:
    return tool.run("chain_1000", number, bench.state(tool.name))


def per_step(long: Samples, steps: int, short: Samples, fewer: int) -> Samples:
    """Milliseconds of a step more."""
    if error := long.error or short.error:
        return Samples(error=error)
    base = median(short.values)
    return Samples(values=[(taken - base) / (steps - fewer) * 1000 for taken in long.values])
