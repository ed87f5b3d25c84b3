"""A control plane that leads a rollout on, as a process: `rollout_program.py HOME URL NOW`. Tests kill it.

Its clock runs a minute with every look, so that a step takes ten of them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from penstock.adapters.blobs.folder import FolderBlobs
from penstock.adapters.predictor.client import HttpPredictionService
from penstock.adapters.predictor.kept import service_key
from penstock.adapters.storage.store import open_store
from penstock.deployments.rollouts import Rollouts
from penstock.models.service import Models
from penstock.testing.fakes import FixedClock
from penstock.testing.prediction import FakeLabels


def looks(home: Path, url: str, clock: FixedClock) -> Iterator[bool]:
    """Look again and again; whether that changed something."""
    store, blobs = open_store(home / "penstock.db"), FolderBlobs(home / "blobs")
    models = Models(store, blobs, clock, registers=lambda _project, _where: True)
    service = HttpPredictionService(url, service_key(home), home / "blobs")
    rollouts = Rollouts(store, blobs, service, models, clock, labelled=FakeLabels())
    while True:
        yield rollouts.tick(clock.advance(timedelta(minutes=1)))


if __name__ == "__main__":
    clock = FixedClock(datetime.fromisoformat(sys.argv[3]).astimezone(UTC))
    for changed in looks(Path(sys.argv[1]), sys.argv[2], clock):
        sys.stdout.write(f"{clock.now().isoformat()} {changed}\n")
        sys.stdout.flush()
