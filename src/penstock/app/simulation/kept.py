"""What simulations leave for those that follow: the results of their steps, by cache key."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import msgspec

from penstock.adapters.storage.store import open_store
from penstock.app.home import Home
from penstock.lineage.ports import Blobs, Reader, Store
from penstock.runs.types import Metric, StepRun

TABLES = ("arrow",)
"""Formats of the rows that a training read: large, and read anew when it is made again."""


def begin_anew(home: Home, start: datetime) -> None:
    """Give a home a new store whose clock shows `start`, that knows only which results there are already.

    The old store stays until the new one is whole.
    """
    made = home.database.with_suffix(".new")
    _remove(made)
    store = open_store(made, virtual=start)
    try:
        if home.database.exists():
            earlier = open_store(home.database)
            try:
                _hand_over(earlier, store)
            finally:
                earlier.close()
    finally:
        store.close()
    _remove(home.database)
    made.replace(home.database)


def forget_tables(reader: Reader, blobs: Blobs, runs: set[str]) -> None:
    """Remove the rows that runs have read and joined: models stay, and the same rows can be read again."""
    for run in runs:
        for step in reader.find(StepRun, run=run, status="succeeded"):
            for artifact in step.outputs.values():
                if artifact.format in TABLES:
                    blobs.delete(artifact.digest)


def _hand_over(earlier: Store, store: Store) -> None:
    with earlier.read() as reader:
        made = {
            step.key: step for step in reader.find(StepRun, status="succeeded", cached_from="") if step.key
        }
        measured = {step.id: reader.find(Metric, run=step.run, step=step.name) for step in made.values()}
    replace = msgspec.structs.replace
    with store.begin() as tx:
        for key, step in made.items():
            run = f"earlier-{key[:16]}"
            tx.add(replace(step, id=f"{run}/{step.name}", run=run))
            tx.add(
                *(
                    replace(metric, id=f"{run}/{step.name}/{metric.name}/{metric.index}", run=run)
                    for metric in measured[step.id]
                )
            )


def _remove(database: Path) -> None:
    for beside in ("", "-wal", "-shm", "-open"):
        Path(f"{database}{beside}").unlink(missing_ok=True)
