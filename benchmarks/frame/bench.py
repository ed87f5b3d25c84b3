"""What a benchmark is given: where to keep state, how thorough to be, where results go."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from benchmarks.frame.measure import ROUNDS, Contender, Once, Samples, take_turns
from benchmarks.frame.report import say
from benchmarks.frame.results import Results

SLOW_ROUNDS = 3


class Bench(msgspec.Struct, frozen=True, kw_only=True):
    """A run of the benchmarks of an area. `quick` measures once, without a warm-up, on less."""

    folder: Path
    results: Results
    quick: bool

    @property
    def rounds(self) -> int:
        """How often what is fast is measured."""
        return 1 if self.quick else ROUNDS

    def contender(self, name: str, once: Once, *, slow: bool = False, warm: bool = True) -> Contender:
        """A contender with as many rounds as there is time for."""
        rounds = min(self.rounds, SLOW_ROUNDS) if slow else self.rounds
        return Contender(name=name, once=once, rounds=rounds, warm_up=warm and not self.quick)

    def take_turns(self, title: str, contenders: Iterable[Contender]) -> dict[str, Samples]:
        """See `measure.take_turns`; tells how it goes on."""
        return take_turns(contenders, lambda text: say(f"{title}: {text}"))
