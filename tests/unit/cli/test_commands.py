"""Commands on a home and on a server, and how they refuse."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from litestar.testing import TestClient
from typer.testing import Result

from penstock.adapters import remote
from penstock.app import open_app
from penstock.core.events import Event
from penstock.web import create_web

Command = Callable[..., Result]
CONFIG = """
[project]
name = "shop"
[environments.test]
deploy = { on = "push", branch = "dev" }
"""
READS = [
    "status",
    "revisions",
    "builds",
    "releases",
    "environments",
    "deployments",
    "runs",
    "models",
    "triggers",
]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The working directory as a project's folder."""
    (tmp_path / "penstock.toml").write_text(CONFIG)
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    return tmp_path


def remotes(folder: Path) -> str:
    told = subprocess.run(["git", "remote", "-v"], cwd=folder, capture_output=True, text=True, check=True)
    return told.stdout


@pytest.mark.parametrize("word", READS)
def test_a_home_that_is_not_there_is_not_made_by_looking(
    penstock: Command, tmp_path: Path, word: str
) -> None:
    told = penstock(word)
    assert told.exit_code == 1
    assert "There is no Penstock home" in told.stderr
    assert len(told.stderr.splitlines()) == 1
    assert not (tmp_path / "home").exists()


def test_an_error_is_json_where_json_was_asked_for(penstock: Command) -> None:
    told = penstock("runs", "--json")
    assert told.exit_code == 1
    assert json.loads(told.stderr)["code"] == "not_found"


@pytest.mark.parametrize(
    "words", [["runs", "--limit", "0"], ["nothing"], ["promote", "delay@3"], ["runs", "--colour"]]
)
def test_wrong_usage_exits_2(penstock: Command, words: list[str]) -> None:
    assert penstock(*words).exit_code == 2


def test_connect_registers_the_project_and_adds_the_remote(penstock: Command, project: Path) -> None:
    told = penstock("connect")
    assert told.exit_code == 0, told.stderr
    assert f"{project}/home/git/shop.git (push)" in remotes(project)
    again = penstock("connect", "--json")
    assert json.loads(again.stdout)["project"]["id"] == "shop"
    assert json.loads(penstock("revisions", "--json").stdout)["items"] == []


def test_connect_outside_of_a_project_says_where_to_go(penstock: Command, tmp_path: Path) -> None:
    told = penstock("connect")
    assert told.exit_code == 1
    assert "penstock.toml" in told.stderr
    assert not (tmp_path / "home").exists()


def test_gc_offers_to_remove_only_what_there_is(penstock: Command, project: Path) -> None:
    penstock("connect")
    told = penstock("gc")
    assert told.exit_code == 0, told.stderr
    assert "There is nothing to remove." in told.stdout
    assert "--yes" not in told.stdout


@pytest.mark.parametrize("word", READS)
def test_every_list_is_a_page_and_json(penstock: Command, project: Path, word: str) -> None:
    penstock("connect")
    assert penstock(word).exit_code == 0
    assert json.loads(penstock(word, "--json").stdout)


def test_a_command_cannot_tell_a_server_from_a_home(
    penstock: Command, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    penstock("connect")
    with open_app(tmp_path / "home") as app, TestClient(create_web(app), base_url="http://127.0.0.1") as web:

        class Served(remote.RemoteApi):
            def __init__(self, url: str, *, token: str = "") -> None:
                shown = token or app.home.key()
                super().__init__(url, token=shown, transport=httpx.MockTransport(self.passed_on))

            def passed_on(self, request: httpx.Request) -> httpx.Response:
                return web.request(
                    request.method, str(request.url), content=request.content, headers=request.headers
                )

        monkeypatch.setattr(remote, "RemoteApi", Served)
        words = ["triggers", "fire", "train", "--in", "nowhere"]
        here, there = penstock(*words), penstock(*words, "--server", "http://127.0.0.1")
        assert here.exit_code == there.exit_code == 1
        assert here.stderr == there.stderr
        assert (
            penstock("models", "--json").stdout
            == penstock("models", "--json", "--server", "http://127.0.0.1").stdout
        )


def test_audit_verify_counts_events_and_names_the_first_that_was_changed(
    penstock: Command, project: Path, tmp_path: Path
) -> None:
    penstock("connect")
    with open_app(tmp_path / "home") as app, app.store.begin() as tx:
        tx.publish(*(Event(kind="noted", subject=f"note:{n}", time=app.clock.now()) for n in range(5)))
        count = len(tx.events())
    told = penstock("audit", "verify")
    assert told.exit_code == 0, told.stderr
    assert f"All {count} events" in told.stdout
    exported = json.loads(penstock("audit", "export", "--json").stdout)["items"]
    assert [event["id"] for event in exported] == list(range(1, count + 1))


def test_a_real_clock_is_not_advanced(penstock: Command, project: Path) -> None:
    penstock("connect")
    told = penstock("clock", "2030-01-01")
    assert told.exit_code == 1
    assert "clock" in told.stderr


def test_a_moment_that_is_none_is_refused(penstock: Command, project: Path) -> None:
    penstock("connect")
    assert "such as 2013-03-01" in penstock("clock", "tomorrow").stderr


@pytest.mark.parametrize("words", [["run", "train"], ["run", "show"], ["run", "a:b", "7"]])
def test_run_wants_a_target_or_a_number_to_show(penstock: Command, words: list[str]) -> None:
    told = penstock(*words)
    assert told.exit_code == 1
    assert "package.module:pipeline, or show ID" in told.stderr


def test_labels_want_two_columns(penstock: Command, project: Path, tmp_path: Path) -> None:
    penstock("connect")
    (tmp_path / "labels.csv").write_text("id,late\n7,1\n")
    assert "prediction and value" in penstock("labels", "labels.csv", "--model", "delay").stderr


def test_a_prediction_without_a_service_is_refused(penstock: Command, project: Path, tmp_path: Path) -> None:
    penstock("connect")
    (tmp_path / "rows.csv").write_text("hour\n7\n")
    told = penstock("predict", "delay", "rows.csv")
    assert told.exit_code == 1
    assert "penstock up" in told.stderr


@pytest.mark.parametrize(
    ("prediction", "headings"),
    [
        (12.5, ["prediction", "score"]),
        ("late", ["prediction", "label", "score"]),
        (True, ["prediction", "label", "score"]),
    ],
)
def test_the_number_of_a_regression_is_shown_once(
    penstock: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    prediction: object,
    headings: list[str],
) -> None:
    class Answering:
        def __init__(self, url: str) -> None:
            self.url = url

        def columns(self, _model: str) -> dict[str, str]:
            return {"hour": "INT64"}

        def predict(self, model: str, rows: list[dict[str, object]]) -> dict[str, object]:
            return {
                "model": model,
                "rows": [{"id": "a-1", "prediction": prediction, "score": 12.5} for _ in rows],
            }

        def close(self) -> None:
            pass

    monkeypatch.setattr(remote, "PredictionClient", Answering)
    (tmp_path / "rows.csv").write_text("hour\n7\n")
    told = penstock("predict", "delay", "rows.csv", "--url", "http://elsewhere.invalid")
    assert told.exit_code == 0, told.stderr
    assert told.stdout.splitlines()[1].split() == headings
