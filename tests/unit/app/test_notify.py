"""From an event to whoever is told, through the whole system: secrets, signatures, pages, sweeps."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from penstock.adapters.forges.signatures import standard
from penstock.app import App, open_app
from penstock.app.api import call
from penstock.builds.types import Release
from penstock.core.errors import NotFound, Unavailable
from penstock.core.events import Event
from penstock.deployments.releases import Releases
from penstock.revisions.types import Project
from penstock.runs.sweeps import Sweep
from penstock.runs.types import Metric, Run, Workspace
from penstock.testing.delivery import Delivered
from penstock.testing.receiver import Receiver
from penstock.triggers.actions import made_action
from penstock.triggers.types import Action
from penstock.web.pages import page

START = datetime(2025, 1, 1, tzinfo=UTC)
KEY = "whsec_a2V5a2V5a2V5a2V5a2V5a2V5"
TOML = """
[project]
name = "flights"
[environments.live]
deploy = { on = "push", branch = "live" }
run = false
[notify.team]
webhook = "TEAM_HOOK"
sign = "TEAM_KEY"
events = ["build.failed"]
"""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    with open_app(tmp_path / "home", virtual=START) as app:
        with app.store.begin() as tx:
            tx.add(Project(id="flights", created=START, data_root=str(tmp_path)))
        project = Delivered(app.store, app.blobs, app.clock)
        project.release("c1", TOML)
        project.move("live", "c1")
        Releases(app.store, app.blobs, app.clock).tick(START)
        yield app


def secret(app: App, name: str, value: str) -> None:
    call(app, "POST", "/secrets", {"environment": "notify", "name": name, "value": value})


def tell(app: App) -> None:
    """All that is to be told is told, or tried."""
    while app.subscriptions.tick(START):
        pass
    app.outbox.tick(START)
    app._couriers.shutdown()


def test_a_channel_is_tried_with_its_secrets_and_refused_without_them(app: App, receiver: Receiver) -> None:
    test = ("POST", "/channels/team/test", {})
    with pytest.raises(NotFound, match="secrets set TEAM_HOOK --in notify"):
        call(app, *test)
    with pytest.raises(NotFound, match="no channel 'tame'"):
        call(app, "POST", "/channels/tame/test", {})
    secret(app, "TEAM_HOOK", f"http://{receiver.host}/hook")
    secret(app, "TEAM_KEY", KEY)
    call(app, *test)
    [post] = receiver.posts
    assert standard(post.headers, post.body, KEY, float(post.headers["webhook-timestamp"]))
    receiver.trouble = [(500, {})]
    with pytest.raises(Unavailable, match="500"):
        call(app, *test)
    assert call(app, "GET", "/actions")["items"] == []


def test_a_red_build_is_told_to_who_wants_it_and_the_address_is_nowhere(app: App, receiver: Receiver) -> None:
    address = f"http://{receiver.host}/very-secret-path"
    secret(app, "TEAM_HOOK", address)
    secret(app, "TEAM_KEY", KEY)
    with app.store.begin() as tx:
        [cause] = tx.publish(Event(kind="build.queued", subject="build:1", time=START, project="flights"))
        evidence = {"error": "2 tests failed"}
        tx.publish(
            Event(
                kind="build.failed",
                subject="build:1",
                time=START,
                project="flights",
                evidence=evidence,
                cause=cause,
            )
        )
    tell(app)
    [action] = call(app, "GET", "/actions")["items"]
    [post] = receiver.posts
    said = msgspec.json.decode(post.body)["data"]
    assert said["customData"]["title"] == "flights: build 1 failed"
    assert "error: 2 tests failed" in said["customData"]["text"]
    with app.store.read() as reader:
        first = reader.events(kind="build.queued")[0]
    assert said["context"]["chainId"] == first.digest[:32], "the first cause names the chain"
    assert (action["status"], action["delivery"]) == ("done", post.headers["webhook-id"])
    shown = msgspec.json.encode(
        [call(app, "GET", path) for path in ("/actions", "/channels", "/events", "/secrets")]
    ).decode()
    assert "very-secret-path" not in shown + page("/actions", {}, call(app, "GET", "/actions"))


def end(app: App) -> list[Run]:
    """Every trial that is under way succeeds; the deeper the better."""
    with app.store.begin() as tx:
        runs = tx.find(Run, status="queued")
        for run in runs:
            tx.put(replace(run, status="succeeded"))
            tx.add(
                Metric(
                    id=f"{run.id}/fit/roc_auc/0",
                    run=run.id,
                    step="fit",
                    name="roc_auc",
                    index=0,
                    value=run.params["depth"] / 10,
                    time=START,
                    final=True,
                )
            )
    return runs


def test_a_sweep_goes_on_from_look_to_look_and_is_started_once(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("optuna", reason="Optuna is not installed: it is in the extra `sweep`")
    place = Workspace(python="", folder="", data_root="", lock="")
    monkeypatch.setattr(app.reactions, "_workspace_of", lambda _release, _where: place)
    with app.store.begin() as tx:
        tx.publish(Event(kind="trigger.fired", subject="trigger:x", time=START, project="flights"))
        [release] = tx.find(Release)
        details = {
            "release": release.id,
            "params": {"depth": "1..9"},
            "metric": "roc_auc",
            "minimize": False,
            "trials": 3,
            "parallel": 2,
        }
        event = tx.events(last=True, limit=1)[0]
        tx.add(
            made_action(
                event,
                "sweep",
                "train",
                details,
                project="flights",
                environment="live",
                made=START,
                firing="7",
            )
        )
        [action] = tx.find(Action)
    sweep = app.reactions.performs["sweep"]
    assert sweep(action) is None
    assert sweep(action) is None, "two trials are under way, and there is no room for another"
    trials = end(app)
    assert len(trials) == 2
    assert sweep(action) is None
    trials += end(app)
    assert sweep(action) == "sweep 1, 3 trials: /sweeps/1"
    assert sweep(action) == "sweep 1, 3 trials: /sweeps/1", "asked again, it is the same"
    assert {run.environment for run in trials} == {"development"}
    with app.store.read() as reader:
        [found] = reader.find(Sweep)
        assert (found.status, found.actor) == ("finished", "trigger 7")
        best = reader.events(kind="sweep.finished")[0].evidence["best"]["value"]
    assert best == max(run.params["depth"] for run in trials) / 10
