"""Pure: what may start now, given what there is room for and who comes first."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from penstock.core.errors import InvalidPipeline
from penstock.core.sizes import size_text
from penstock.pipelines.types import Graph, Options
from penstock.runs.types import Run


class Room(msgspec.Struct, frozen=True, kw_only=True):
    """What all steps under way may need together; `memory` is in bytes. Without numbers, anything."""

    cpus: float = math.inf
    gpus: float = math.inf
    memory: float = math.inf

    def less(self, wanted: Options) -> Room:
        """What is left beside a step; less than nothing where it does not fit."""
        return Room(
            cpus=self.cpus - wanted.cpus,
            gpus=self.gpus - wanted.gpus,
            memory=self.memory - wanted.memory,
        )

    def fits(self, wanted: Options) -> bool:
        """Whether a step has room; one that asks for nothing of a kind does not mind that it is used up."""
        return (
            wanted.cpus <= max(self.cpus, 0)
            and wanted.gpus <= max(self.gpus, 0)
            and wanted.memory <= max(self.memory, 0)
        )


ANYTHING = Room()


def may_start(
    rooms: Sequence[Room], held: Iterable[Options], waiting: Sequence[Options], slots: int
) -> list[int]:
    """The positions of the waiting steps that may start beside the `held` ones, `slots` at most.

    Who stands first comes first: for a step that has no room yet, what it needs is set aside, so that
    smaller ones behind it cannot keep it waiting for ever. One that would not fit alone into any of the
    rooms is passed over; in which of them a step runs is for the executor to say.
    """
    left = _together(rooms)
    for options in held:
        left = left.less(options)
    chosen: list[int] = []
    for position, options in enumerate(waiting):
        if len(chosen) >= slots:
            break
        if not any(room.fits(options) for room in rooms):
            continue
        if left.fits(options):
            chosen.append(position)
        left = left.less(options)
    return chosen


def check_fits(graph: Graph, rooms: Sequence[Room]) -> None:
    """Raises InvalidPipeline for a graph with a step that would not fit even alone, into any of the rooms."""
    for node in graph.nodes:
        wanted = node.options
        if any(room.fits(wanted) for room in rooms):
            continue
        cpus, gpus, memory = (
            max((getattr(room, kind) for room in rooms), default=0.0) for kind in ("cpus", "gpus", "memory")
        )
        expected, found = next(
            (there, asked)
            for fits, there, asked in (
                (wanted.cpus <= cpus, f"{cpus:g} CPUs", f"{wanted.cpus:g}"),
                (wanted.gpus <= gpus, f"{gpus:g} GPUs", f"{wanted.gpus:g}"),
                (
                    wanted.memory <= memory,
                    f"{size_text(int(min(memory, 1e18)))} of memory",
                    size_text(wanted.memory),
                ),
                (False, "what one machine has", _spelled(wanted)),
            )
            if not fits
        )
        raise InvalidPipeline(
            what=f"The step `{node.name}` can never run here",
            expected=f"at most {expected}, which is all there is",
            found=found,
            fix="Declare what it really needs, or use a larger machine.",
        )


def _together(rooms: Iterable[Room]) -> Room:
    rooms = list(rooms)
    return Room(
        cpus=sum(room.cpus for room in rooms),
        gpus=sum(room.gpus for room in rooms),
        memory=sum(room.memory for room in rooms),
    )


def _spelled(wanted: Options) -> str:
    return f"{wanted.cpus:g} CPUs, {wanted.gpus:g} GPUs and {size_text(wanted.memory)} together"


def admitted(runs: Iterable[Run]) -> set[str]:
    """The runs that may be under way, given in the order of who comes first.

    A run that waits is admitted while fewer than its pipeline's `concurrency` are in its environment.
    """
    runs = list(runs)
    begun = [run for run in runs if run.status == "running"]
    if len(begun) == len(runs):
        return {run.id for run in runs}
    there = Counter(_place(run) for run in begun)
    allowed = {run.id for run in begun}
    for run in runs:
        if run.id in allowed:
            continue
        if not run.graph.concurrency or there[_place(run)] < run.graph.concurrency:
            allowed.add(run.id)
            there[_place(run)] += 1
    return allowed


def _place(run: Run) -> tuple[str, str, str]:
    return run.project, run.environment, run.pipeline
