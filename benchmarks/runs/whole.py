"""Whole processes, from start to exit: chains, a fan-out, a table that is handed on, and starting at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from benchmarks.frame.environments import Environment
from benchmarks.frame.measure import Contender, Samples, seed, timed
from benchmarks.frame.results import Bar
from benchmarks.runs.bench import Bench
from benchmarks.runs.peers import DAGSTER, KEDRO, LIMITS, METAFLOW, PEERS, PENSTOCK, PREFECT, PROTOTYPE, ZENML
from benchmarks.runs.tools import SHAPES, Tool

TITLES = {
    "chain_10": "chain of 10 steps",
    "chain_100": "chain of 100 steps",
    "fan": "fan-out 1→50→1",
    "table": "160 MB table to the next step",
}
WHOLE = "the whole process, interpreter included"
ROUND_OF_CACHED = 900
"""A round that there is not, and so a seed of its own."""
BARS = {"chain_100": 10, "fan": 10, "table": 3}
"""How many times faster than the best durable peer."""


def shapes(bench: Bench) -> dict[tuple[str, str], Samples]:
    """Measure every tool at every shape; gives the samples by shape and tool."""
    found = {}
    for shape in SHAPES:
        tools = [PENSTOCK, *LIMITS, *(tool for tool in PEERS if shape in tool.shapes)]
        taken = bench.take_turns(TITLES[shape], (_contender(bench, tool, shape) for tool in tools))
        found |= {(shape, name): samples for name, samples in taken.items()}
        for tool in tools[1:]:
            bench.results.add(
                TITLES[shape], "s", taken[PENSTOCK.name], taken[tool.name], tool.name, tool.version(),
                bar=_bar(shape, tool), note=tool.note,
            )  # fmt: skip
        if shape == "chain_100":
            bench.results.add(TITLES[shape], "s", taken[PENSTOCK.name], bar=Bar(at_most=1.2))
    return found


def _contender(bench: Bench, tool: Tool, shape: str) -> Contender:
    slow = shape in tool.slow
    once = partial(_run, bench, tool, shape)
    return bench.contender(tool.name, once, slow=slow, warm=not slow or shape == SHAPES[0])


def _run(bench: Bench, tool: Tool, shape: str, number: int) -> float:
    return tool.run(shape, number, bench.state(tool.name))


def _bar(shape: str, tool: Tool) -> Bar | None:
    if tool is PROTOTYPE and shape == "table":
        return Bar(times=1 / 2)
    if tool in PEERS and tool.durable and shape in BARS:
        return Bar(times=BARS[shape])
    return None


def cached(bench: Bench) -> None:
    """A chain of 100 that was done before."""
    tools = (PENSTOCK, PROTOTYPE)
    number = seed(ROUND_OF_CACHED)
    for tool in tools:
        tool.run("chain_100", number, bench.state(tool.name))

    def again(tool: Tool, _number: int) -> float:
        state = bench.state(tool.name)
        command = tool.command(tool.make(), "chain_100", number, state)
        return timed(command, folder=state / "programs", env=tool.env(state))[0]

    title = "re-run of 100 cached steps"
    taken = bench.take_turns(title, (bench.contender(tool.name, partial(again, tool)) for tool in tools))
    ours, limit = (taken[tool.name] for tool in tools)
    bench.results.add(title, "s", ours, limit, PROTOTYPE.name, bar=Bar(at_most=0.7), note=PROTOTYPE.note)


def starts(bench: Bench) -> None:
    """What a pipeline's file imports, and `--help`, as whole processes."""
    tools = (PENSTOCK, DAGSTER, PREFECT, METAFLOW, ZENML, KEDRO)
    alone = _started(
        bench, "import penstock", (PENSTOCK,), lambda made, _tool: [made.python, "-c", "import penstock"]
    )
    bench.results.add("import penstock", "s", alone[PENSTOCK.name], bar=Bar(at_most=0.10), note=WHOLE)
    for title, words in (
        ("import of a pipeline's words", lambda made, tool: [made.python, "-c", tool.imports]),
        ("--help", lambda made, tool: [made.program(tool.package), "--help"]),
    ):
        taken = _started(bench, title, tools, words)
        ours = taken[PENSTOCK.name]
        if title == "--help":
            bench.results.add(title, "s", ours, bar=Bar(at_most=0.25), note=WHOLE)
        for tool in tools[1:]:
            bench.results.add(
                title,
                "s",
                ours,
                taken[tool.name],
                tool.package,
                tool.version(),
                note=tool.imports if title != "--help" else "",
            )


def _started(
    bench: Bench, title: str, tools: Iterable[Tool], words: Callable[[Environment, Tool], list[str]]
) -> dict[str, Samples]:
    def once(tool: Tool, _number: int) -> float:
        state = bench.state(tool.name)
        return timed(words(tool.make(), tool), folder=state / "programs", env=tool.env(state))[0]

    return bench.take_turns(title, (bench.contender(tool.name, partial(once, tool)) for tool in tools))
