"""What a tool is: how it is installed, and how a run of it is started, timed and checked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from benchmarks.frame.environments import Environment, Failed, version_of
from benchmarks.frame.measure import surroundings, timed

FAN = 50
SHAPES = ("chain_10", "chain_100", "fan", "table")


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    """An orchestrator. `command` gives the words of a run from environment, shape, seed and state folder.

    `prepare` gives words that are run before the clock starts. It is asked for `shapes`; those in `slow`
    take so long that they get fewer rounds. Its state folder holds a copy of the programs.
    `imports` is the line with which a pipeline's file begins.
    """

    name: str
    package: str
    make: Callable[[], Environment]
    command: Callable[[Environment, str, int, Path], list[str]]
    settings: Callable[[Path], dict[str, str]] = lambda _state: {}
    prepare: Callable[[Environment, str, Path], list[str]] | None = None
    durable: bool = True
    shapes: tuple[str, ...] = SHAPES
    slow: tuple[str, ...] = ()
    imports: str = ""
    note: str = ""

    def version(self) -> str:
        """The installed version; nothing for a program of our own, or where it could not be installed."""
        return version_of(self.package, self.make) if self.package else ""

    def env(self, state: Path) -> dict[str, str]:
        """The variables of its processes."""
        return surroundings(state, {**self.settings(state), "BENCH_ANSWER": str(state / "answer")})

    def run(self, shape: str, seed: int, state: Path) -> float:
        """Seconds that a run takes as a whole process, its state in a folder. Raises Failed."""
        answer, made, env, folder = state / "answer", self.make(), self.env(state), state / "programs"
        answer.unlink(missing_ok=True)
        if self.prepare:
            timed(self.prepare(made, shape, state), folder=folder, env=env)
        took, said = timed(self.command(made, shape, seed, state), folder=folder, env=env)
        found = answer.read_text(encoding="utf-8") if answer.exists() else "nothing"
        if not right(shape, seed, found):
            raise Failed(f"a wrong answer, {found[:40]}: {' '.join(said.split())[-300:]}")
        return took


def right(shape: str, seed: int, found: str) -> bool:
    """Whether a run did its work."""
    if shape == "fan":
        return found == str(sum((seed + i) ** 2 for i in range(FAN)))
    if shape == "table":  # two sums of a million numbers between 0 and 1
        return found.startswith(("99", "100")) and abs(float(found) - 1e6) < 5000
    return found == str(seed + int(shape.rpartition("_")[2]))
