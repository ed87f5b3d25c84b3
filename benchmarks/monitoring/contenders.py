"""Tools that judge whether windows are as a reference was: how they are installed, and what they find."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import msgspec

from benchmarks.frame.bench import Bench
from benchmarks.frame.environments import Environment, Failed, environment, version_of
from benchmarks.frame.measure import surroundings, timed
from benchmarks.frame.report import say

PROGRAMS = Path(__file__).parent / "programs"
DAYS = 60
"""Days of a reference."""
TIMEOUT = 600.0

Change = tuple[float, int]
"""By how many spreads how many columns of a window are off."""


class Found(msgspec.Struct, frozen=True):
    """What was said of a window: the columns that moved, and how far beyond its bound the furthest was."""

    columns: tuple[str, ...]
    height: float


class Findings(msgspec.Struct, frozen=True):
    """What a contender found in a task; `learnt` and `took` are seconds, `peak` megabytes, and `marks` tell
    the rows that it had from others.
    """

    windows: tuple[Found, ...]
    learnt: float
    took: tuple[float, ...]
    peak: float
    marks: tuple[str, ...]


class Contender(msgspec.Struct, frozen=True):
    """A tool and its program; `package` names what it is installed from."""

    name: str
    package: str
    program: str
    make: Callable[[], Environment]

    def version(self) -> str:
        """What is installed."""
        return version_of(self.package, self.make)

    def judge(self, bench: Bench, task: Task | Stream, *words: str, timeout: float = TIMEOUT) -> Findings:
        """What it finds in a task. Raises Failed."""
        file = bench.folder / "task.json"
        file.write_bytes(msgspec.json.encode(task))
        python = self.make().python if self.package else sys.executable
        command = [python, self.program, str(file), *words]
        _, said = timed(command, folder=PROGRAMS, env=surroundings(bench.folder, {}), timeout=timeout)
        line = next(line for line in reversed(said.splitlines()) if line.startswith("{"))
        return msgspec.convert(json.loads(line), Findings)


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """A reference of `days` of so many `rows`, and windows with their changes, which are `off` in what they
    are by themselves (`shift`) or in what they have in common (`apart`); see `programs/streams.py`. Windows
    are streams of so many days each, of which none is looked at after one that is `enough` beyond its bound.
    """

    seed: int
    rows: int
    window: int
    changes: Sequence[Change]
    daily: float
    days: int = DAYS
    off: str = "shift"
    stream: int = 1_000_000
    enough: float = 1e300


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """A reference of `days` of so many `rows`, and windows by how far their relation and their inputs are
    off; see `programs/relations.py`.
    """

    family: str
    seed: int
    rows: int
    window: int
    changes: Sequence[Change]
    days: int = DAYS


@cache
def evidently() -> Environment:
    """Evidently's own environment."""
    return environment("evidently", "evidently==0.7.21", "pandas<3")


@cache
def nannyml() -> Environment:
    """NannyML's own environment, with what it imports and does not ask for."""
    return environment("nannyml", "nannyml==0.13.1", "statsmodels", "scipy<1.16")


OURS = Contender("Penstock", "", "penstock_drift.py", evidently)
DAILY = Contender("Penstock", "", "penstock_days.py", evidently)
"""The same, where windows are days that follow one another."""
EVIDENTLY = Contender("Evidently", "evidently", "evidently_drift.py", evidently)
NANNYML = Contender("NannyML", "nannyml", "nannyml_drift.py", nannyml)
PEERS = (EVIDENTLY, NANNYML)


def findings(
    bench: Bench, tasks: Sequence[Task | Stream], contender: Contender
) -> tuple[list[Findings], str]:
    """What a contender finds in each of several tasks, or why nothing."""
    found = []
    try:
        for number, task in enumerate(tasks, 1):
            say(f"{contender.name}: windows of {task.window:,}, reference {number} of {len(tasks)}")
            found.append(contender.judge(bench, task))
    except (Failed, StopIteration) as error:
        return [], str(error) or "it printed nothing"
    return found, ""


def require_same(ours: Sequence[Findings], theirs: Sequence[Findings]) -> None:
    """Contenders that had other rows cannot be compared. Raises Failed."""
    for mine, other in zip(ours, theirs, strict=False):
        if any(a != b for a, b in zip(mine.marks, other.marks, strict=False)):
            raise Failed("the contenders did not make the same rows")
