"""Programs tell that something happened, and triggers that wait for it fire once for all of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from litestar.testing import TestClient

from penstock.adapters.forges.signatures import hex_digest
from penstock.app import App, open_app
from penstock.app.api import call
from penstock.core.errors import Busy, InvalidValue, NotFound
from penstock.deployments.releases import Releases
from penstock.revisions.types import Project
from penstock.runs.types import Run, Workspace
from penstock.testing.delivery import Delivered
from penstock.triggers import signals
from penstock.triggers.types import Firing
from penstock.web import create_web

START = datetime(2025, 1, 1, tzinfo=UTC)
KEY = "a-key-of-the-loader"
TOML = """
[project]
name = "flights"
[environments.live]
deploy = { on = "push", branch = "live" }
run = false
[[triggers]]
pipeline = "train"
environments = ["live"]
any = [{ signal = "landed", secret = "LANDED_KEY" }]
"""


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    with open_app(tmp_path / "home", virtual=START) as app:
        with app.store.begin() as tx:
            tx.add(Project(id="flights", created=START, data_root=str(tmp_path)))
        project = Delivered(app.store, app.blobs, app.clock)
        project.release("c1", TOML)
        project.move("live", "c1")
        Releases(app.store, app.blobs, app.clock).tick(START)
        place = Workspace(python="", folder="", data_root="", lock="")
        monkeypatch.setattr(app.triggers, "_workspace_of", lambda _release, _where: place)
        yield app


def test_a_thousand_signals_at_once_are_one_run_that_lists_them_all(app: App) -> None:
    for number in range(1000):
        assert app.signals.take("flights", "landed", {"file": number}, "loader", str(number))
    assert not app.signals.take("flights", "landed", {"file": 0}, "loader", "0"), "delivered before"
    while app.triggers.tick(START):
        pass
    with app.store.read() as reader:
        [firing], [run] = reader.find(Firing), reader.find(Run)
        told = {event.id for event in reader.events(kind="trigger.signalled")}
    assert (firing.kind, firing.run, firing.why) == (
        "signal",
        run.id,
        "the signal landed came 1,000 times, lastly from loader",
    )
    assert set(firing.events) == told
    assert len(told) == 1000
    app.signals.take("flights", "landed", {}, "loader")
    app.triggers.tick(START)
    assert "waits for run 1" in app.triggers.explain("flights", "live", "train").explanation


def test_a_storm_is_refused_until_a_run_has_used_what_came(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "MOST", 3)
    for number in range(3):
        app.signals.take("flights", "landed", {}, "loader", str(number))
    with pytest.raises(Busy, match="3 signals landed wait"):
        app.signals.take("flights", "landed", {}, "loader", "3")
    assert not app.signals.take("flights", "landed", {}, "loader", "2"), "it was delivered before"
    app.triggers.tick(START)
    assert app.signals.take("flights", "landed", {}, "loader", "3")
    app.triggers.pause("flights", "live", "train", "ada")
    for number in (4, 5):
        app.signals.take("flights", "landed", {}, "loader", str(number))
    with pytest.raises(Busy):
        app.signals.take("flights", "landed", {}, "loader", "6")
    app.advance(START + timedelta(seconds=1))
    app.triggers.resume("flights", "live", "train", "ada")
    assert app.signals.take("flights", "landed", {}, "loader", "6"), "what came in the pause is forgotten"


def test_another_key_makes_no_signal_come_again(app: App) -> None:
    app.signals.take("flights", "landed", {}, "loader", "0")
    app.triggers.tick(START)
    project = Delivered(app.store, app.blobs, app.clock)
    project.finish()
    project.release("c2", TOML.replace("LANDED_KEY", "OTHER_KEY"))
    project.move("live", "c2")
    Releases(app.store, app.blobs, app.clock).tick(START)
    app.signals.take("flights", "landed", {}, "loader", "1")
    app.triggers.tick(START)
    with app.store.read() as reader:
        assert [len(firing.events) for firing in reader.find(Firing)] == [1, 1]


def test_a_signal_that_nobody_waits_for_is_refused_and_leaves_nothing(app: App) -> None:
    with pytest.raises(NotFound, match="Did you mean `landed`"):
        call(app, "POST", "/triggers/signal", {"name": "landet"})
    with pytest.raises(InvalidValue, match="at most 65536 bytes"):
        call(app, "POST", "/triggers/signal", {"name": "landed", "data": {"rows": "x" * 70_000}})
    with app.store.read() as reader:
        assert reader.events(kind="trigger.signalled") == []
    assert call(app, "POST", "/triggers/signal", {"name": "landed"}) == {"new": True}


def test_a_webhook_counts_with_its_signature_only(app: App) -> None:
    secret = {"environment": "notify", "name": "LANDED_KEY", "value": KEY}
    call(app, "POST", "/secrets", secret)
    body = json.dumps({"file": "2025-01-01.parquet"}).encode()
    signed = {"X-Hub-Signature-256": f"sha256={hex_digest(KEY, body)}", "X-GitHub-Delivery": "7"}
    with TestClient(create_web(app), base_url="http://127.0.0.1") as web:
        send = [web.post("/hooks/flights/signals/landed", content=body, headers=signed) for _ in range(2)]
        assert [(answer.status_code, answer.json()) for answer in send] == [
            (202, {"new": True}),
            (202, {"new": False}),
        ]
        forged = web.post("/hooks/flights/signals/landed", content=body + b" ", headers=signed)
        assert forged.status_code == 403
