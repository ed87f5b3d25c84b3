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


def shapes_and_peers(bench: Bench) -> None:
    """Measure the shapes, and what a step more costs the peers and us in them."""
    known = shapes(bench)
    each = {
        tool: per_step(known["chain_100", tool.name], 100, known["chain_10", tool.name], 10)
        for tool in (PENSTOCK, *PEERS)
        if tool is PENSTOCK or "chain_100" in tool.shapes
    }
    ours, how = each.pop(PENSTOCK), "chains of 100 less those of 10"
    for peer, theirs in each.items():
        bench.results.add(TITLE, "ms", ours, theirs, peer.name, peer.version(), note=how)


def overhead(bench: Bench) -> None:
    """Measure long chains beside bare programs: what is left of a step where nothing else counts."""
    tools = (PENSTOCK, *LIMITS)
    taken = {}
    for steps in (100, 1000):
        once = {tool.name: partial(_chain, bench, tool, steps) for tool in tools}
        turns = (bench.contender(name, run, warm=steps == 100) for name, run in once.items())
        taken[steps] = bench.take_turns(f"chain of {steps:,} steps beside bare programs", turns)
    each = {tool: per_step(taken[1000][tool.name], 1000, taken[100][tool.name], 100) for tool in tools}
    ours, how = each[PENSTOCK], "chains of 1,000 less those of 100"
    bench.results.add(TITLE, "ms", ours, bar=Bar(at_most=3), note=how)
    bench.results.add(TITLE, "ms", ours, each[PROTOTYPE], PROTOTYPE.name, bar=Bar(times=1 / 4), note=how)
    bench.results.add(TITLE, "ms", ours, each[INLINE], INLINE.name, note=how)


def _chain(bench: Bench, tool: Tool, steps: int, number: int) -> float:
    return tool.run(f"chain_{steps}", number, bench.state(tool.name))


def per_step(long: Samples, steps: int, short: Samples, fewer: int) -> Samples:
    """Milliseconds of a step more."""
    if error := long.error or short.error:
        return Samples(error=error)
    base = median(short.values)
    return Samples(values=[(taken - base) / (steps - fewer) * 1000 for taken in long.values])
