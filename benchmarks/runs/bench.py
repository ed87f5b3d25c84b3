"""What a benchmark of this area is given: where to keep state, how thorough to be, where results go."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import msgspec

from benchmarks.frame.measure import ROUNDS, Contender, Once, Samples, take_turns
from benchmarks.frame.report import say
from benchmarks.frame.results import Results

PROGRAMS = Path(__file__).parent / "programs"
SLOW_ROUNDS = 3


class Bench(msgspec.Struct, frozen=True, kw_only=True):
    """A run of the benchmarks. `quick` measures once, without a warm-up, on less."""

    folder: Path
    results: Results
    quick: bool

    @property
    def rounds(self) -> int:
        """How often what is fast is measured."""
        return 1 if self.quick else ROUNDS

    @property
    def runs(self) -> int:
        """How many runs a long history has."""
        return 1_000 if self.quick else 10_000

    def state(self, name: str) -> Path:
        """A folder of state by its name, kept for the whole run, with the programs as a git repository."""
        state = self.folder / name.replace(", ", "-").replace(" ", "-")
        if not state.exists():
            shutil.copytree(PROGRAMS, state / "programs", ignore=shutil.ignore_patterns("__pycache__"))
            git = ("git", "-C", str(state / "programs"))
            subprocess.run([*git, "init", "--quiet"], check=True)
            subprocess.run([*git, "add", "."], check=True)
            author = ("-c", "user.name=benchmark", "-c", "user.email=benchmark@penstock.invalid")
            subprocess.run([*git, *author, "commit", "--quiet", "--message", "Programs"], check=True)
        return state

    def contender(self, name: str, once: Once, *, slow: bool = False, warm: bool = True) -> Contender:
        """A contender with as many rounds as there is time for."""
        rounds = min(self.rounds, SLOW_ROUNDS) if slow else self.rounds
        return Contender(name=name, once=once, rounds=rounds, warm_up=warm and not self.quick)

    def take_turns(self, title: str, contenders: Iterable[Contender]) -> dict[str, Samples]:
        """See `measure.take_turns`; tells how it goes on."""
        return take_turns(contenders, lambda text: say(f"{title}: {text}"))
