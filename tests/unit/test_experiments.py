"""Runs from a person's folder, remembered with what they were made of and put side by side."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient
from typer.testing import CliRunner, Result

from penstock import Metrics, connect
from penstock.app import open_app
from penstock.app.client import Connection
from penstock.app.experiments.plots import bars, curves
from penstock.app.sources import packages_of
from penstock.cli.commands import app
from penstock.core.errors import NotFound
from penstock.pipelines.types import Graph
from penstock.runs.types import Run, Workspace
from penstock.web import create_web

CODE = """
from penstock import Metrics, log, pipeline, step

@step
def fit(rate: float, note: str) -> Metrics:
    for epoch in range(4):
        log.metric("loss", rate / (epoch + 1), step=epoch)
        log.metric("score", rate, step=epoch)
    log.figure("curve", "<svg xmlns='http://www.w3.org/2000/svg'/>")
    return Metrics(score=1 - rate)

@pipeline
def train(rate: float = 0.1, note: str = "<b>"):
    return fit(rate, note)
"""


@pytest.fixture
def penstock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Commands in a project's folder with a repository."""
    package = tmp_path / "lab" / "lab"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "pipeline.py").write_text(CODE)
    (package.parent / ".gitignore").write_text("__pycache__/\n")
    who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    for words in (["init", "--quiet"], ["add", "."], [*who, "commit", "--quiet", "-m", "first"]):
        subprocess.run(["git", *words], cwd=package.parent, check=True)
    monkeypatch.chdir(package.parent)
    monkeypatch.setenv("PENSTOCK_HOME", ".penstock")
    monkeypatch.delenv("PENSTOCK_SERVER", raising=False)

    def run(*words: str) -> Result:
        told = CliRunner().invoke(app, list(words), prog_name="penstock")
        assert told.exit_code == 0, told.stderr
        return told

    return run


def rows(compared: dict[str, Any], section: str) -> dict[str, Any]:
    return {row["name"]: row["values"] for row in compared[section]}


def test_runs_are_compared_by_all_that_made_them(penstock: Callable[..., Result], tmp_path: Path) -> None:
    penstock("run", "lab.pipeline:train")
    code = tmp_path / "lab/lab/pipeline.py"
    code.write_text(CODE.replace("1 - rate", "2 - rate"))
    penstock("run", "lab.pipeline:train", "-p", "rate=0.4")
    compared = json.loads(penstock("compare", "1", "2", "--json").stdout)

    assert rows(compared, "params") == {"rate": [0.1, 0.4], "note": ["<b>", "<b>"]}
    assert rows(compared, "metrics") == {"fit.loss": [0.025, 0.1], "fit.score": [0.9, 1.6]}
    assert compared["curves"][0]["points"][0][0] == [0, 0.1]
    made = rows(compared, "code")
    assert made["commit"][0] == made["commit"][1] != ""
    assert made["not committed"][0] is None
    assert made["not committed"][1].startswith("+1 -1 in 1 file:")
    assert made["step fit"][0] != made["step fit"][1]
    assert "+    return Metrics(score=2 - rate)" in compared["changes"][1]
    assert not any(row["differs"] for row in compared["environment"])
    assert {"python", "msgspec"} <= set(rows(compared, "environment"))

    assert compared["sources"][0] == ""
    assert compared["sources"][1].splitlines()[:2] == ["--- a/lab/pipeline.py", "+++ b/lab/pipeline.py"]

    shown = penstock("compare", "1", "2", "--html", "both.html").stdout
    assert "≠" in shown
    assert "-    return Metrics(score=1 - rate)\n+    return Metrics(score=2 - rate)" in shown
    page = (tmp_path / "lab/both.html").read_text()
    assert "&lt;b&gt;" in page
    assert page.count("<svg") == 4
    assert page.count("<img") == 2
    assert "<script" not in page
    assert not re.findall(r"""(?:src|href)=["']?http""", page)


def test_a_step_is_explained_by_what_its_code_is_now(penstock: Callable[..., Result], tmp_path: Path) -> None:
    folder = tmp_path / "lab/lab"
    (folder / "pipeline.py").write_text("from lab.words import NOTE\n" + CODE)
    (folder / "words.py").write_text("NOTE = 'old'\n")
    (folder / "other.py").write_text("UNUSED = 1\n")
    penstock("run", "lab.pipeline:train")
    (folder / "words.py").write_text("NOTE = 'new'\n")
    (folder / "other.py").write_text("UNUSED = 2\n")
    shown = penstock("run", "lab.pipeline:train", "--explain", "fit").stdout
    assert "--- a/lab/words.py\n+++ b/lab/words.py\n@@ -1 +1 @@\n-NOTE = 'old'\n+NOTE = 'new'" in shown
    assert "other.py" not in shown
    (folder / "words.py").unlink()
    (folder / "pipeline.py").write_text(CODE)
    told = json.loads(penstock("run", "lab.pipeline:train", "--explain", "fit", "--json").stdout)
    assert "+++ /dev/null" in told["source"]
    penstock("run", "lab.pipeline:train")
    assert not json.loads(penstock("run", "lab.pipeline:train", "--explain", "fit", "--json").stdout)[
        "source"
    ]


def test_the_packages_of_a_release_are_those_that_it_locked(tmp_path: Path) -> None:
    lock = '[[package]]\nname = "polars"\nversion = "1.35"\n[[package]]\nname = "lab"\n'
    with open_app(tmp_path / "home") as opened:
        run = Run(
            id="1",
            project="p",
            pipeline="train",
            environment="staging",
            release="r",
            firing="",
            graph=Graph(pipeline="train", target="lab.pipeline:train"),
            params={},
            workspace=Workspace(python="", folder="", data_root="", lock=opened.blobs.put(lock.encode())),
            as_of=opened.clock.now(),
            created=opened.clock.now(),
        )
        assert packages_of(opened, run) == {"polars": "1.35"}


def test_comparing_wants_two_runs_that_there_are(penstock: Callable[..., Result]) -> None:
    penstock("run", "lab.pipeline:train")
    told = CliRunner().invoke(app, ["compare", "1"])
    assert (told.exit_code, "at least two runs" in told.stderr) == (1, True)
    assert CliRunner().invoke(app, ["compare", "1", "7"]).exit_code == 1


@pytest.mark.parametrize(
    "svg",
    [
        curves([("1", [(0, 1.0), (1, -2.0)]), ("2", [])]),
        curves([("1", [(3, 0.5)])]),
        bars([("1", -0.5), ("2", None), ("3", 0.0)]),
        bars([(str(number), 1.0) for number in range(30)]),
    ],
)
def test_a_plot_stays_in_its_frame(svg: str) -> None:
    numbers = [float(n) for n in re.findall(r'(?:x|y|width|height)="([-\d.]+)"', svg)]
    assert numbers
    assert all(0 <= number <= 700 for number in numbers)


def test_nothing_measured_is_no_plot() -> None:
    assert curves([("1", [])]) == bars([("1", None)]) == ""


@pytest.mark.parametrize("place", ["home", "server"])
def test_a_notebook_shows_runs_and_gets_their_results(
    penstock: Callable[..., Result], place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    penstock("run", "lab.pipeline:train")
    if place == "home":
        told(connect())
        return
    with (
        open_app(Path(".penstock")) as opened,
        TestClient(create_web(opened), base_url="http://127.0.0.1") as web,
    ):
        web.headers["Authorization"] = f"Bearer {opened.home.key()}"
        connection = connect("http://127.0.0.1")
        monkeypatch.setattr(connection._remote, "_http", web)
        told(connection)
        shown = web.get("/runs/1")
        assert "img-src data:" in shown.headers["content-security-policy"]
        assert shown.text.count("<polyline") == 2
        assert "data:image/svg+xml;base64," in shown.text


def told(connection: Connection) -> None:
    assert list(connection.runs) == ["1"]
    run = connection.runs["1"]
    assert repr(run) == "run 1 of train succeeded"
    assert (run.status, run.params["rate"]) == ("succeeded", 0.1)
    assert [index for index, _ in run.metrics["fit.loss"]] == [0, 1, 2, 3]
    assert run.result("fit") == {"score": 0.9}
    assert run.result("fit", kind=Metrics)["score"] == 0.9
    shown = run._repr_html_()
    assert shown.count("<svg") == 2
    assert "data:image/svg+xml;base64," in shown
    with pytest.raises(NotFound, match="fit"):
        run.result("fitt")
    with pytest.raises(NotFound, match="result"):
        run.result("fit", "train")
    with pytest.raises(KeyError):
        connection.runs["7"]
