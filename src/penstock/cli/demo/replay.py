"""March to December: flights ask, land and tell, and the loop does the rest."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime

from penstock.cli.demo.project import Requests
from penstock.cli.demo.stage import END, LIVE, MODEL, STEP, TRIES, Stage
from penstock.cli.demo.traffic import Counts, Flight, Impatience, Passengers

ASKED = datetime(2013, 10, 15, tzinfo=UTC)
FIRST = 1
"""The version that keeps answering for comparison: the frozen one."""


class Timetable:
    """Which flights ask, and which tell, at the end of which step of virtual time.

    A flight asks at the end of the step in which it departs, and tells in the step in which it
    is known to have landed, but never in the step in which it asks.
    """

    def __init__(self, flights: list[Flight]) -> None:
        self.asking: dict[int, list[Flight]] = defaultdict(list)
        self.telling: dict[int, list[tuple[str, bool]]] = defaultdict(list)
        for flight in flights:
            self.asking[_step(flight.departs_at)].append(flight)
        for step, asking in self.asking.items():
            for flight, frozen in zip(asking, frozen_ids(step, len(asking)), strict=True):
                if flight.late is not None:
                    told = max(_step(flight.known_at), step + 1)
                    self.telling[told] += [(flight.id, flight.late), (frozen, flight.late)]


def _step(moment: float) -> int:
    return math.ceil((moment - LIVE.timestamp()) / STEP.total_seconds())


def frozen_name(step: int) -> str:
    """The request id under which a step's flights ask the frozen version together."""
    return f"frozen-{step}"


def frozen_ids(step: int, count: int) -> list[str]:
    """The prediction ids of that request's rows."""
    return [frozen_name(step), *(f"{frozen_name(step)}/{row}" for row in range(1, count))]


def replay(stage: Stage, requests: Requests, progress: Callable[[float], None]) -> None:
    """Go on from where the virtual clock stands to the end of the year.

    The step at which the clock stands is told again: predictions and labels that were taken
    before are known by their ids, and count once.
    """
    timetable = Timetable(requests.flights)
    living = Passengers(stage.system, MODEL, requests.datatypes)
    again = Passengers(stage.system, MODEL, requests.datatypes)
    stage.settle()
    first = _step(stage.now().timestamp())
    for step in range(first, _step(END.timestamp()) + 1):
        now = LIVE + step * STEP
        with Impatience(again, timetable.asking[step - 1]):
            stage.advance(now)
            if now == ASKED:
                stage.fire("production", "the winter timetable begins")
        asking = timetable.asking[step] if step < _step(END.timestamp()) else []
        _tell(stage, timetable.telling[step])
        for _ in range(TRIES):
            living.ask(asking)
            living.ask_version(FIRST, frozen_name(step), asking)
            stage.system.post("/settle", wait=0)  # makes what was answered durable
            if living.same_process():
                break
        for passengers in (living, again):
            _count(stage.memory.counts, passengers.counts)
            passengers.counts = Counts()
        stage.remember()
        progress((now - LIVE) / (END - LIVE))
    living.close()
    again.close()
    stage.settle()


def _tell(stage: Stage, telling: list[tuple[str, bool]]) -> None:
    if telling:
        items = [{"prediction": name, "value": late} for name, late in telling]
        stage.system.post("/labels", model=MODEL, items=items)


def _count(total: Counts, more: Counts) -> None:
    total.requests += more.requests
    total.failed += more.failed
    total.repeated += more.repeated
    total.retried += more.retried
