"""Searching parameters: trials are runs, a sweep goes on after a kill, and the best is written back."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from penstock.adapters.search.tpe import STARTUP, OptunaSearch
from penstock.app import open_app
from penstock.app.ready import local_workspace
from penstock.app.sweeps import logged, result
from penstock.app.wiring import App
from penstock.cli.commands import app as commands
from penstock.cli.rows import as_toml, read_parameters
from penstock.core.errors import InvalidValue
from penstock.pipelines.types import Graph, Parameter
from penstock.runs.ports import Axis, Choice, Range
from penstock.runs.sweeps import Sweep, carry_out, pruned, space_of
from penstock.runs.types import Run

CODE = """
import time
from pathlib import Path

from penstock import Metrics, log, pipeline, step

HERE = Path(__file__).parent

@step
def rows(count: int) -> list[int]:
    return list(range(count))

@step
def fit(rows: list[int], rate: float, depth: int) -> Metrics:
    log.metric("score", -rate, step=0)
    log.metric("score", -rate, step=7)
    deadline = time.monotonic() + 60
    while (HERE / "stop").exists() and rate > float((HERE / "stop").read_text()):
        (HERE / "stopped").touch()
        time.sleep(0.01)
        assert time.monotonic() < deadline
    return Metrics(score=-((rate - 0.3) ** 2) - (depth - 5) ** 2)

@pipeline
def train(rate: float = 0.1, depth: int = 3, count: int = 4):
    return fit(rows(count), rate, depth)
"""
SWEEP = ["sweep", "lab.pipeline:train", "-p", "rate=0.1..0.9", "-p", "depth=3,5", "--metric", "score"]
GRAPH = Graph(
    pipeline="train",
    target="lab.pipeline:train",
    parameters=(
        Parameter(name="rate", type="float", default=0.1),
        Parameter(name="depth", type="int", required=True),
        Parameter(name="loss", type="str", default="log"),
        Parameter(name="bagged", type="bool", default=False),
    ),
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    package = tmp_path / "project" / "lab"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "pipeline.py").write_text(CODE)
    monkeypatch.chdir(package.parent)
    monkeypatch.setenv("PENSTOCK_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("PENSTOCK_SERVER", raising=False)
    return package


def penstock(*words: str) -> Result:
    return CliRunner().invoke(commands, list(words), prog_name="penstock")


def answered(*words: str) -> Any:
    told = penstock(*words, "--json")
    assert told.exit_code == 0, told.stderr
    return json.loads(told.stdout)


def test_a_sweep_finds_what_is_better_and_writes_it_back(folder: Path) -> None:
    swept = answered(*SWEEP, "-p", "count=6", "--trials", "8", "--write", "best.toml")
    assert swept["status"] == "finished"
    trials = swept["results"]
    assert len(trials) == 8
    values = [trial["value"] for trial in trials if trial["status"] == "succeeded"]
    assert values == sorted(values, reverse=True)
    assert {trial["status"] for trial in trials if trial["value"] is None} <= {"pruned"}
    assert {trial["params"]["count"] for trial in trials} == {6}
    assert trials[0]["params"]["depth"] == 5

    again = answered("run", "lab.pipeline:train", "--params", "best.toml")
    assert again["params"] == trials[0]["params"]
    assert all(step["cached_from"] for step in again["steps"])
    other = answered("run", "lab.pipeline:train", "--params", "best.toml", "-p", "depth=4")
    assert other["params"] == {**trials[0]["params"], "depth": 4}
    shared = [answered("run", "show", trial["run"])["steps"][0] for trial in trials]  # `rows`
    assert sum(bool(step["cached_from"]) for step in shared) == 7  # also in those that began at once


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_sweep_that_was_ended_goes_on_with_its_trials(folder: Path, end: signal.Signals) -> None:
    (folder / "stop").write_text("0.35")
    words = [*SWEEP, "--trials", "6", "--parallel", "1"]
    first = subprocess.Popen(
        [sys.executable, "-m", "penstock.cli", *words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    deadline = time.monotonic() + 60
    while not (folder / "stopped").exists():
        assert time.monotonic() < deadline
        assert first.poll() is None
        time.sleep(0.01)
    first.send_signal(end)
    said = first.communicate()[1].decode()
    begun = {run["id"]: run for run in answered("runs")["items"]}
    if end is not signal.SIGKILL:
        assert (first.returncode, said.count("The same command goes on with it.")) == (1, 1)
        assert begun[max(begun)]["error"] == "cancelled by the stop of sweep 1"
    (folder / "stop").unlink()
    swept = answered(*words)
    assert swept["id"] == "1"
    assert len(swept["results"]) == 6
    assert set(begun) <= {trial["run"] for trial in swept["results"]}
    assert {trial["status"] for trial in swept["results"]} == {"succeeded"}
    assert answered(*SWEEP, "--trials", "1")["id"] == "2"  # the finished one is not touched


def test_a_sweep_without_a_result_says_why(folder: Path) -> None:
    told = penstock(*SWEEP[:-1], "nothing", "--trials", "1")
    assert told.exit_code == 1
    assert "gave the metric nothing" in told.stderr


class Scripted:
    """A search that tries what it is told, and finds everything below -0.5 hopeless."""

    def __init__(self, *rates: float) -> None:
        self._rates = list(rates)
        self.told: list[tuple[int, float | None, bool]] = []
        self._count = 0

    def suggest(self, params: Mapping[str, Any] | None = None) -> tuple[int, dict[str, Any]]:  # noqa: ARG002
        self._count += 1
        return self._count, {"rate": self._rates.pop(0)}

    def hopeless(self, trial: int, index: int, value: float) -> bool:  # noqa: ARG002
        return value < -0.5

    def tell(self, trial: int, value: float | None, *, pruned: bool) -> None:
        self.told.append((trial, value, pruned))


def test_a_hopeless_trial_is_ended_while_it_runs(folder: Path, tmp_path: Path) -> None:
    (folder / "stop").write_text("0.5")
    search = Scripted(0.9, 0.3)
    ended: list[Run] = []
    with open_app(tmp_path / "home") as app:
        sweep, submit = scripted_sweep(app, folder)
        carry_out(
            sweep,
            (),
            runs=app.runs,
            search=search,
            submit=submit,
            logged=lambda run: logged(app, run, "score"),
            result=lambda run: result(app, run, "score"),
            clock=app.clock,
            parallel=2,
            on_trial=ended.append,
        )
    assert sorted(search.told) == [(1, None, True), (2, pytest.approx(-4.0), False)]
    assert {run.id: pruned(sweep, run) for run in ended} == {"1": True, "2": False}


def scripted_sweep(app: App, folder: Path) -> tuple[Sweep, Callable[[dict[str, Any]], Run]]:
    workspace = local_workspace(folder.parent)
    graph = app.executor.draw(workspace, "lab.pipeline:train")
    sweep = Sweep(
        id="1",
        project="p",
        pipeline="train",
        target="lab.pipeline:train",
        space={"rate": Range(low=0.1, high=0.9)},
        fixed={},
        metric="score",
        maximize=True,
        trials=2,
        code="",
        created=app.clock.now(),
        actor="ada",
    )

    def submit(params: dict[str, Any]) -> Run:
        return app.runs.submit(
            project="p", pipeline="train", environment="d", graph=graph, workspace=workspace, params=params
        )

    return sweep, submit


@pytest.mark.parametrize(
    ("name", "text", "axis"),
    [
        ("rate", "0.01..0.3:log", Range(low=0.01, high=0.3, log=True)),
        ("rate", "1e-5..1", Range(low=1e-5, high=1.0)),
        ("rate", "-2..-1", Range(low=-2.0, high=-1.0)),
        ("depth", "3..9", Range(low=3, high=9, whole=True)),
        ("depth", "3,5,7", Choice((3, 5, 7))),
        ("loss", "log,mse", Choice(("log", "mse"))),
        ("bagged", "true,false", Choice((True, False))),
    ],
)
def test_a_space_is_read_by_the_type_of_its_parameter(name: str, text: str, axis: Axis) -> None:
    space, fixed = space_of(GRAPH, {"depth": "3"} | {name: text})
    assert space == {name: axis}
    assert fixed == ({} if name == "depth" else {"depth": 3})


@pytest.mark.parametrize(
    "given",
    [
        {"depth": "3"},
        {"depth": "9..3"},
        {"depth": "0..3:log"},
        {"depth": "3", "loss": "a..b"},
        {"depth": "3", "bagged": "false..true"},
        {"depth": "3", "rat": "0.1..0.2"},
        {"depth": "3,x"},
        {"rate": "0.1..0.2"},
    ],
)
def test_a_space_that_is_none_is_refused(given: dict[str, str]) -> None:
    with pytest.raises(InvalidValue):
        space_of(GRAPH, given)


def test_the_search_prunes_what_is_worse_than_the_median_and_takes_up_what_was_tried() -> None:
    search = OptunaSearch({"x": Range(low=0, high=10, whole=True)}, maximize=True, seed=1)
    for number in range(STARTUP):
        trial, params = search.suggest({"x": number})
        assert params == {"x": number}
        assert not search.hopeless(trial, 0, float(number))
        search.tell(trial, float(number), pruned=False)
    trial, _ = search.suggest()
    assert search.hopeless(trial, 0, -1.0)
    assert not search.hopeless(trial, 0, -1.0)
    search.tell(trial, None, pruned=True)
    trial, _ = search.suggest()
    assert not search.hopeless(trial, 0, 11.0)


def test_parameters_survive_their_file(tmp_path: Path) -> None:
    params = {"rate": 1e-05, "depth": 3, "loss": 'lo"g\n', "bagged": True, "missing": None}
    (tmp_path / "best.toml").write_text(as_toml(params))
    assert read_parameters(tmp_path / "best.toml") == {k: v for k, v in params.items() if v is not None}
