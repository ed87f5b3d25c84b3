"""A process that is killed between an alarm and its firing, within it, or after: one run, in the end."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from penstock.adapters.blobs.folder import FolderBlobs
from penstock.adapters.storage import open_store
from penstock.core.clock import SystemClock
from penstock.deployments.releases import Releases
from penstock.lineage.service import Ledger
from penstock.monitoring.types import Alarm
from penstock.revisions.types import Project
from penstock.runs.types import Run
from penstock.testing.delivery import Delivered
from penstock.triggers.types import Action, Firing, TriggerState

CONFIG = """
[project]
name = "flights"
[environments.live]
deploy = { on = "push", branch = "live" }
serve = true
run = false
[[triggers]]
pipeline = "train"
environments = ["live"]
any = [{ drift = "inputs", false_alarms = "1 per 90d" }]
then = ["run", "notify"]
cooldown = "1d"
[notify.team]
webhook = "TEAM_HOOK"
"""
KILLED = """
import os, signal, sys
from contextlib import contextmanager
from pathlib import Path
from penstock.adapters.blobs.folder import FolderBlobs
from penstock.adapters.storage import open_store
from penstock.adapters.storage.store import SqlStore
from penstock.core.clock import SystemClock
from penstock.datasets.arrivals import Levels
from penstock.runs.service import Runs
from penstock.runs.types import Workspace
from penstock.testing.executors import FakeExecutor
from penstock.triggers.service import Triggers

folder, point = Path(sys.argv[1]), sys.argv[2]
store, blobs, clock = open_store(folder / "penstock.db"), FolderBlobs(folder / "blobs"), SystemClock()
real = SqlStore.begin

def reach(name):
    if point == name:
        os.kill(os.getpid(), signal.SIGKILL)

@contextmanager
def begin(self):
    reach("decided")
    with real(self) as tx:
        def adding(*nouns, do=tx.add):
            do(*nouns)
            for noun in nouns:
                reach(type(noun).__name__)
        tx.add = adding
        yield tx
    reach("committed")

SqlStore.begin = begin
workspace = Workspace(python="", folder="", data_root="", lock="")
runs = Runs(store, blobs, FakeExecutor(), clock)
triggers = Triggers(
    store, blobs, runs, clock, workspace_of=lambda release, where: workspace, arrivals=Levels(),
    secrets=lambda project, environment: {},
)
while triggers.tick(clock.now()):
    pass
"""
POINTS = ("decided", "Firing", "committed")


def alarmed(folder: Path) -> None:
    """A release and a champion are live, and an alarm about it has just been raised."""
    store, blobs, clock = open_store(folder / "penstock.db"), FolderBlobs(folder / "blobs"), SystemClock()
    now = clock.now()
    project = Delivered(store, blobs, clock)
    with store.begin() as tx:
        tx.add(Project(id="flights", created=now, data_root=str(folder)))
    project.release("c1", CONFIG)
    project.move("live", "c1")
    Releases(store, blobs, clock).tick(now)
    project.lead(project.version(environment="live"))
    project.alarm("live")
    store.close()


def look(folder: Path, point: str = "") -> int:
    """Let a process look at the triggers; it is killed at a point."""
    return subprocess.run([sys.executable, "-c", KILLED, str(folder), point], check=False).returncode


@pytest.mark.parametrize("point", POINTS)
def test_one_alarm_is_one_run_and_one_notice_wherever_the_process_dies(tmp_path: Path, point: str) -> None:
    alarmed(tmp_path)
    assert look(tmp_path, point) == -signal.SIGKILL, "the point is on the way"
    assert look(tmp_path) == 0
    store = open_store(tmp_path / "penstock.db")
    with store.read() as reader:
        [firing], [run], [action] = reader.find(Firing), reader.find(Run), reader.find(Action)
        [state] = reader.find(TriggerState)
        [alarm] = reader.find(Alarm)
    assert (firing.kind, firing.run, firing.events) == ("drift", run.id, (alarm.event,))
    assert (run.firing, action.firing, action.status) == (firing.id, firing.id, "waiting")
    assert state.fired is not None
    assert Ledger(store).verify().ok
    store.close()
