"""What steps say is there while they run, line by line, through the home and through a server."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient

from penstock.adapters.executors.steplog import StepLog, log_file, read_lines
from penstock.adapters.remote import RemoteApi
from penstock.app import open_app
from penstock.app.api import call
from penstock.app.ready import local_workspace
from penstock.app.wiring import App
from penstock.cli.face import Api
from penstock.cli.runs import _as_said, _log_lines
from penstock.core.errors import InvalidValue, NotFound
from penstock.pipelines.log import log
from penstock.runs.drive import run_to_end
from penstock.runs.types import Run
from penstock.web import create_web

CODE = """
import os, signal, time, warnings
from pathlib import Path

from penstock import log, pipeline, step

GO = Path(__file__).parent / "go"
SVG = "<svg xmlns='http://www.w3.org/2000/svg'/>"

@step
def fit(rounds: int) -> list[int]:
    print("waiting")
    deadline = time.monotonic() + 60
    while not GO.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    for round in range(rounds):
        log.metric("loss", 1 / (round + 1), step=round)
    warnings.warn("careful", stacklevel=1)
    log.figure("curve", SVG)
    return [sum(range(10**6)), bytearray(10**6).count(0)]

@step
def die() -> int:
    for number in range(200):
        print(number)
        log.metric("number", number, step=number)
    os.kill(os.getpid(), signal.SIGKILL)

@pipeline
def doomed():
    return die()

@pipeline
def train(rounds: int = 3):
    return fit(rounds)
"""


def test_lines_of_another_log_are_masked_as_well(tmp_path: Path) -> None:
    """Those of a node of a cluster: what it prints passes here before it is kept."""
    secret = 'say "open\\sesame"'
    with StepLog(tmp_path, "1/there") as there:
        there.write("stdout", f"with {secret}", value=secret)
        there.write("stdout", "without")
    lines = log_file(tmp_path, "1/there").read_bytes()
    with StepLog(tmp_path, "1/here", [secret]) as here:
        here.take(lines + b"torn: " + secret.encode() + b"\n")
    told, _ = read_lines(tmp_path, "1/here")
    assert [line["text"] for line in told] == ["with ***", "without", "torn: ***"]
    assert told[0]["value"] == "***"


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    with open_app(tmp_path / "home") as opened:
        yield opened


@pytest.fixture
def run(app: App, tmp_path: Path) -> Run:
    """A run whose only step goes on when the file `go` is there."""
    package = tmp_path / "project" / "slow"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "pipeline.py").write_text(CODE)
    workspace = local_workspace(tmp_path / "project")
    graph = app.executor.draw(workspace, "slow.pipeline:train")
    return app.runs.submit(
        project="slow", pipeline="train", environment="test", graph=graph, workspace=workspace, params={}
    )


@pytest.fixture(params=["home", "server"])
def api(request: pytest.FixtureRequest, app: App) -> Iterator[Api]:
    if request.param == "home":
        yield Api(functools.partial(call, app), lambda path: iter([path.encode()]))
    else:
        with TestClient(create_web(app), base_url="http://127.0.0.1") as web:
            web.headers["Authorization"] = f"Bearer {app.home.key()}"
            remote = RemoteApi("http://testserver")
            remote._http = web
            yield Api(remote.call, remote.pieces)


def test_a_followed_log_tells_each_line_while_the_step_runs_and_ends_with_the_run(
    app: App, api: Api, run: Run, tmp_path: Path
) -> None:
    driver = threading.Thread(target=run_to_end, args=(app.runs, run.id, app.clock))
    driver.start()
    told: list[dict[str, Any]] = []
    for item in _log_lines(api, run.id, "fit", follow=True):
        told.append(item)
        if item["text"] == "waiting":
            (tmp_path / "project/slow/go").touch()
    driver.join()
    assert [item["stream"] for item in told] == ["stdout", *["metric"] * 3, "warning", "figure"]
    assert [(item["step"], item["name"], item["value"]) for item in told[1:3]] == [
        ("fit", "loss", 1.0),
        ("fit", "loss", 0.5),
    ]
    assert _as_said(told[0]) == "fit | waiting"
    assert "careful" in told[4]["text"]
    again = list(_log_lines(api, run.id, "", follow=False))
    assert again == told

    [step] = api.get(f"/runs/{run.id}")["steps"]
    assert step["cpu"] > 0
    assert step["memory"] > 10**6
    [figure] = api.items(f"/runs/{run.id}/figures")
    assert (figure["step"], figure["name"], figure["media"]) == ("fit", "curve", "image/svg+xml")


def test_no_line_is_lost_that_was_printed_or_measured_before_a_kill(app: App, run: Run) -> None:
    doomed = app.executor.draw(run.workspace, "slow.pipeline:doomed")
    submitted = app.runs.submit(
        project="slow",
        pipeline="doomed",
        environment="test",
        graph=doomed,
        workspace=run.workspace,
        params={},
    )
    app.runs.cancel(run.id)
    assert run_to_end(app.runs, submitted.id, app.clock).status == "failed"
    items = call(app, "GET", f"/runs/{submitted.id}/logs")["items"]
    printed = [int(item["text"]) for item in items if item["stream"] == "stdout"]
    assert printed == list(range(200)) * 3  # a lost worker's step is tried three times
    assert [item["index"] for item in items if item["stream"] == "metric"] == printed
    assert sum("signal 9" in item["text"] for item in items) == 3


def test_an_answer_has_so_many_lines_and_the_next_goes_on(app: App, run: Run) -> None:
    with StepLog(app.home.logs / "runs", f"{run.id}/fit") as written:
        written.write("stdout", "\n".join(map(str, range(5))))
    after, texts = "", []
    for _ in range(4):
        answer = call(app, "GET", f"/runs/{run.id}/logs", {"after": after, "limit": 2})
        after = answer["next"]
        texts.append([item["text"] for item in answer["items"]])
        assert not answer["ended"]
    assert texts == [["0", "1"], ["2", "3"], ["4"], []]


def test_a_step_that_is_not_there_and_an_offset_that_is_none_are_refused(app: App, run: Run) -> None:
    with pytest.raises(NotFound, match="fit"):
        call(app, "GET", f"/runs/{run.id}/logs", {"step": "fti"})
    with pytest.raises(InvalidValue, match="next"):
        call(app, "GET", f"/runs/{run.id}/logs", {"after": "fit"})


def test_half_a_line_waits_for_its_end_and_a_torn_one_hides_nothing(tmp_path: Path) -> None:
    with StepLog(tmp_path, "1/fit") as written:
        written.write("stdout", "whole")
    path = log_file(tmp_path, "1/fit")
    with path.open("ab") as torn:
        torn.write(b'{"time":')
    lines, after = read_lines(tmp_path, "1/fit")
    assert [line["text"] for line in lines] == ["whole"]
    with StepLog(tmp_path, "1/fit") as written:
        written.write("penstock", "killed")
    lines, after = read_lines(tmp_path, "1/fit", after)
    assert [line["text"] for line in lines] == ['{"time":', "killed"]
    assert read_lines(tmp_path, "1/fit", after) == ([], after)


class Drawn:
    def savefig(self, file: Any, format: str) -> None:  # noqa: A002
        file.write(b"\x89PNG\r\n\x1a\n" + format.encode())


@pytest.mark.parametrize(
    ("figure", "media"),
    [(Drawn(), "image/png"), ("<svg/>", "image/svg+xml"), (b"<?xml version='1.0'?><svg/>", "image/svg+xml")],
)
def test_a_figure_is_a_picture_of_a_known_kind(figure: Any, media: str) -> None:
    kept = []
    with log.to(kept.append):
        log.figure("curve", figure)
    assert [(entry.name, entry.value) for entry in kept] == [("curve", media)]


@pytest.mark.parametrize("figure", [7, b"GIF89a", "<html></html>"])
def test_anything_else_is_no_figure(figure: Any) -> None:
    with pytest.raises(InvalidValue, match="PNG or SVG"):
        log.figure("curve", figure)
