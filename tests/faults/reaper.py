"""Kills processes of a running system when certain things are first seen in its store."""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from typing import Any, Self

from penstock.app.home import Home

ProcessesOf = Callable[..., list[int]]
CONTROL, WORKERS, PREDICTION = "penstock.cli\0up", "executors.worker", "penstock.adapters.predictor"


def rows(home: Home, query: str, *values: Any) -> list[tuple[Any, ...]]:
    """What the store of a home holds, read beside the system."""
    with closing(sqlite3.connect(f"file:{home.database}?mode=ro", uri=True)) as store:
        return store.execute(query, values).fetchall()


class Reaper:
    """Kills processes of a home at each of some moments, once.

    `seen` is a query that gives the moments that have come; `moments` says which processes each kills.
    """

    def __init__(self, home: Home, moments: Mapping[str, str], seen: str, processes_of: ProcessesOf) -> None:
        self.killed: set[str] = set()
        self._home = home
        self._moments = moments
        self._query = seen
        self._processes_of = processes_of
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._go, name="reaper")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        self._thread.join()

    def _go(self) -> None:
        while not self._enough.wait(0.01):
            for moment in (self._seen() & set(self._moments)) - self.killed:
                for pid in self._processes_of(self._home.folder, self._moments[moment]):
                    with suppress(ProcessLookupError):  # some end with others
                        os.kill(pid, signal.SIGKILL)
                    self.killed.add(moment)

    def _seen(self) -> set[str]:
        try:
            return {str(found) for (found,) in rows(self._home, self._query)}
        except sqlite3.OperationalError:  # the home is just being made
            return set()
