"""Policies shared out among processes that live through them at the same time."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from multiprocessing.connection import Connection
from pathlib import Path

from penstock.app.alone import THREADS, alone
from penstock.app.simulation.part import Part, live_through
from penstock.app.simulation.replay import scheduled
from penstock.app.simulation.types import Policy, Wanted
from penstock.core.errors import PenstockError, StepFailed

TRAINING = 30
"""Moments at which a policy is decided that take about as long as a training."""


class Beside:
    """Another process that lives through some policies; `over` is how many moments are, as far as it said."""

    def __init__(self, heard: Connection) -> None:
        self._heard = heard
        self.over = 0
        self.part: Part | None = None

    def hear(self, patience: float = 0.0) -> None:
        """Take in what it has said, waiting so many seconds. Raises StepFailed where it cannot go on."""
        try:
            while self.part is None and self._heard.poll(patience):
                match self._heard.recv():
                    case int(over):
                        self.over = over
                    case Part() as part:
                        self.part = part
                    case dict(error):
                        raise StepFailed(**error)
        except EOFError:
            raise StepFailed(
                what="A process that lived through some of the policies has ended",
                fix="The same command goes on: what was trained is kept.",
            ) from None


@contextmanager
def beside(folder: Path, wanted: Wanted, moments: Sequence[datetime]) -> Iterator[Beside]:
    """A process that lives through what is wanted; it ends with the block, or when this process does."""
    context = multiprocessing.get_context("spawn")  # of a process with threads nothing else can be made
    heard, said = context.Pipe(duplex=False)
    with alone() as ours:
        process = context.Process(
            target=_live, args=(said, folder, wanted, tuple(moments), ours), daemon=True
        )
        process.start()
    said.close()
    try:
        yield Beside(heard)
    finally:
        process.kill()
        process.join()
        heard.close()


def _live(said: Connection, folder: Path, wanted: Wanted, moments: Sequence[datetime], ours: bool) -> None:
    if ours:
        del os.environ[THREADS]  # numpy is loaded
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that began this one ends it
    try:
        part, _ = live_through(folder, wanted, moments, lambda over, _total, _moment: said.send(over))
        said.send(part)
    except PenstockError as error:
        told = error.as_dict()
        said.send({name: told[name] for name in ("what", "expected", "found", "fix")})
    except BrokenPipeError:
        os._exit(1)


def shared_out(wanted: Wanted, moments: Sequence[datetime], processes: int) -> list[tuple[Policy, ...]]:
    """The policies of each of so many processes at most, so that all are done at about the same time.

    Source: R. Graham, Bounds on multiprocessing timing anomalies (1969): the longest first.
    """
    long = {name: len(moments) / TRAINING + len(slots) for name, slots in scheduled(wanted).items()}
    shares: list[list[Policy]] = [[] for _ in range(min(processes, len(wanted.policies)))]
    for policy in sorted(wanted.policies, key=lambda each: -long[each.name]):
        min(shares, key=lambda share: sum(long[each.name] for each in share)).append(policy)
    return list(map(tuple, shares))
