"""A process that is killed in the middle of a promotion or a rollback has made it, or has not."""

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
from penstock.deployments.types import Deployment
from penstock.lineage.service import Ledger
from penstock.testing.delivery import CONFIG, Delivered

KILLED = """
import os, signal, sys
from contextlib import contextmanager
from pathlib import Path
from penstock.adapters.blobs.folder import FolderBlobs
from penstock.adapters.storage import open_store
from penstock.adapters.storage.store import SqlStore
from penstock.core.clock import SystemClock
from penstock.deployments.releases import Releases
from penstock.deployments.types import Deployment

folder, verb, point = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
store, real = open_store(folder / "penstock.db"), SqlStore.begin

def die():
    os.kill(os.getpid(), signal.SIGKILL)

@contextmanager
def begin(self):
    with real(self) as tx:
        for name in ("put", "publish", "add"):
            def killing(*nouns, name=name, do=getattr(tx, name)):
                answer = do(*nouns)
                if point == name:
                    die()
                return answer
            setattr(tx, name, killing)
        yield tx
    if point == "committed":
        die()

SqlStore.begin = begin
releases = Releases(store, FolderBlobs(folder / "blobs"), SystemClock())
if verb == "promote":
    releases.promote("flights", "2", "production", "katherine")
else:
    releases.rollback("flights", "production", "katherine", "1")
"""
FREE = CONFIG.replace("successful_runs = 3", "successful_runs = 1")


@pytest.mark.parametrize("verb", ["promote", "rollback"])
@pytest.mark.parametrize("point", ["put", "publish", "add", "committed"])
def test_it_is_made_whole_or_not_at_all_and_can_be_made_again(
    tmp_path: Path, verb: str, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("penstock.deployments.releases.require_path", lambda *_: None)
    blobs = FolderBlobs(tmp_path / "blobs")
    store = open_store(tmp_path / "penstock.db")
    project = Delivered(store, blobs, SystemClock())
    for commit in ("c1", "c2"):
        project.release(commit, FREE)
    releases = Releases(store, blobs, SystemClock())
    releases.promote("flights", "1", "production", "katherine")
    if verb == "rollback":
        releases.promote("flights", "2", "production", "katherine")
    store.close()

    code = KILLED.replace(
        "store, real",
        "import penstock.deployments.releases as there\nthere.require_path = lambda *_: None\nstore, real",
        1,
    )
    killed = subprocess.run([sys.executable, "-c", code, str(tmp_path), verb, point], check=False)
    assert killed.returncode == -signal.SIGKILL

    store = open_store(tmp_path / "penstock.db")
    with store.read() as reader:
        history = reader.find(Deployment)
        told = reader.events(kind="release.deployed")
    made = (1 if verb == "promote" else 2) + (point == "committed")
    assert [d.active for d in history] == [False] * (made - 1) + [True]
    assert [d.event for d in history] == [event.id for event in told]
    assert Ledger(store).verify().ok
    again = Releases(store, blobs, SystemClock())
    last = (
        again.promote("flights", "2", "production", "katherine")
        if verb == "promote"
        else again.rollback("flights", "production", "katherine", "1")
    )
    assert last.commit == ("c2" if verb == "promote" else "c1")
    with store.read() as reader:
        assert reader.count(Deployment) == (2 if verb == "promote" else 3), "made once"
    store.close()
