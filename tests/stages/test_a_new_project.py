"""What `penstock new` makes goes through the whole loop as it is, with real processes, git and HTTP."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from penstock.adapters.remote import RemoteApi

PENSTOCK = (sys.executable, "-m", "penstock.cli")
PATIENCE = 240.0
"""Seconds within which everything has its consequences, also on a busy machine."""

Command = Callable[..., Any]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """The variables of a person who works in `tmp_path`."""
    return {
        **os.environ,
        "PENSTOCK_HOME": str(tmp_path / "home"),
        "PENSTOCK_ACTOR": "ada",
        "PENSTOCK_SERVER": "",
    }


@pytest.fixture
def project(tmp_path: Path, environment: dict[str, str]) -> Path:
    """A new project with made-up data."""
    subprocess.run([*PENSTOCK, "new", "shop"], cwd=tmp_path, env=environment, check=True)
    subprocess.run([sys.executable, "-m", "shop.data", "data"], cwd=tmp_path / "shop", check=True)
    return tmp_path / "shop"


@pytest.fixture
def penstock(project: Path, environment: dict[str, str]) -> Command:
    """Runs a command in the project's folder; gives its JSON, or its error's."""

    def run(*words: str) -> Any:
        command = [*PENSTOCK, *words, "--json"]
        done = subprocess.run(
            command, cwd=project, env=environment, capture_output=True, text=True, check=False
        )
        return json.loads(done.stderr if done.returncode else done.stdout)

    return run


@pytest.fixture
def system(project: Path, environment: dict[str, str]) -> Iterator[RemoteApi]:
    """`penstock up` on the home, stopped by Ctrl-C at the end."""
    command = [*PENSTOCK, "up", "--port", "0", "--predict-port", "0", "--json"]
    with subprocess.Popen(command, cwd=project, env=environment, stdout=subprocess.PIPE, text=True) as up:
        try:
            assert up.stdout
            told = json.loads("".join(iter(up.stdout.readline, "}\n")) + "}")
            with closing(RemoteApi(told["url"], timeout=PATIENCE)) as api:
                yield api
        finally:
            up.send_signal(signal.SIGINT)
            assert up.wait(timeout=60) == 0


def settle(system: RemoteApi) -> None:
    assert system.call("POST", "/settle", {"wait": PATIENCE})["settled"]


def forget_what_is_yet_to_be_known(project: Path) -> None:
    """Of 300 orders a day one may get known between two runs, and is news to the second."""
    now = datetime.now(UTC)
    for file in (project / "data" / "orders").iterdir():
        pl.read_parquet(file).filter(pl.col("known_at") < now).write_parquet(file)


def schedule_for_another_day(project: Path) -> None:
    """A run that begins by the clock would be one more than is asked for."""
    file, day = project / "penstock.toml", datetime.now(UTC) + timedelta(days=3)
    before, _, after = file.read_text().partition('schedule = "0 3 * * 1"')
    assert after
    file.write_text(f'{before}schedule = "0 3 * * {day.isoweekday() % 7}"{after}')
    author = ("-c", "user.name=Bea", "-c", "user.email=bea@example.com")  # not whoever approves it
    subprocess.run(["git", *author, "commit", "--quiet", "--all", "-m", "later"], cwd=project, check=True)


def test_it_passes_its_own_checks_and_trains_without_a_server(penstock: Command, project: Path) -> None:
    assert penstock("check")["project"] == "shop"
    tests = subprocess.run([sys.executable, "-m", "pytest", "-q"], cwd=project, check=False)
    assert tests.returncode == 0
    forget_what_is_yet_to_be_known(project)
    run = penstock("run", "shop.pipeline:train_returns")
    assert run["status"] == "succeeded"
    assert penstock("models", "show", "returns@1")["stage"] == "development"
    again = penstock("run", "shop.pipeline:train_returns")
    assert [step["name"] for step in again["steps"] if step["cached_from"]] == [
        "warehouse_load.timeline",
        "rows",
        "fit",
        "evaluate",
        "publish",
    ]


def test_it_goes_from_a_push_to_predictions_and_labels(
    penstock: Command, project: Path, system: RemoteApi
) -> None:
    schedule_for_another_day(project)
    penstock("connect")
    subprocess.run(["git", "push", "--quiet", "penstock", "dev"], cwd=project, check=True)
    settle(system)
    [build] = penstock("builds")["items"]
    assert (build["status"], build["error"]) == ("passed", "")

    penstock("approve", build["commit"])
    penstock("merge", "dev")
    settle(system)
    refused = penstock("promote", "1", "--to", "production")
    assert (refused["code"], refused["found"]) == ("not_allowed", "1")
    for _ in range(2):
        penstock("triggers", "fire", "train_returns", "--in", "staging")
        settle(system)
    penstock("promote", "1", "--to", "production")
    settle(system)
    environments = penstock("environments")["items"]
    assert [environment["champions"] for environment in environments] == [[], [], ["returns@1"]]

    orders = pl.concat(pl.read_parquet(file) for file in sorted((project / "data" / "orders").iterdir()))
    rows = orders.tail(50)
    rows.drop("returned", "known_at").write_csv(project / "rows.csv")  # the warehouse stands for its load
    penstock("features", "materialize", "warehouse_load", "--in", "production")
    settle(system)
    told = penstock("predict", "returns", "rows.csv")
    ids = [answer["id"] for answer in told["rows"]]
    labels = [{"prediction": i, "value": int(v)} for i, v in zip(ids, rows["returned"], strict=True)]
    (project / "labels.json").write_text(json.dumps(labels))
    penstock("labels", "labels.json", "--model", "returns")
    settle(system)
    [window] = penstock("monitor", "returns")["items"]
    assert (window["predictions"], window["labelled"]) == (50, 50)

    kinds = [event["kind"] for event in penstock("why", "returns@production")["items"]]
    assert (kinds[0], kinds[-1]) == ("version.placed", "revision.seen")
    assert penstock("audit", "verify")["ok"]
