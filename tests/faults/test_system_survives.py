"""Whole systems whose processes are killed: the next `penstock up` goes on, and the end state is the same."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from reaper import CONTROL, PREDICTION, WORKERS, ProcessesOf, Reaper, rows

from penstock.adapters.predictor.past import JsonlPredictionLog
from penstock.cli.demo.system import System
from penstock.cli.demo.traffic import Flight, Passengers
from penstock.cli.new.make import make_project

START = datetime(2025, 4, 8, tzinfo=UTC)
DAY = timedelta(days=1)
PATIENCE = 240.0
DATATYPES = {
    **dict.fromkeys(("category", "channel", "warehouse"), "BYTES"),
    **dict.fromkeys(("price", "discount", "load", "staff"), "FP64"),
    "items": "INT64",
}
DELIVERY = """
[project]
name = "shop"

[environments.test]
deploy = { on = "push", branch = "dev" }

[environments.production]
deploy = { on = "promote", after = "test", successful_runs = 1 }

[models.returns]
gate = ["roc_auc >= 0.6", "contract"]
"""
MOMENTS = {
    "the project's tests": CONTROL,
    "release.made": CONTROL,
    "step 1/fit": CONTROL,
    "version.registered": CONTROL,
    "gate.passed": CONTROL,
    "window.measured": CONTROL,
    "step 3/fit": WORKERS,
}
"""What is killed as soon as something is first seen in the store."""
SEEN = """
SELECT kind FROM events
UNION SELECT 'the project''s tests' FROM builds WHERE status = 'running' AND stage LIKE 'test: %'
UNION SELECT 'step ' || id FROM step_runs WHERE status = 'running'
"""


class Shop:
    """A project on its way through a system of its own; everything that is asked may be asked again."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.folder = folder
        self.system = System(home, START, (0, 0))

    def live(self) -> None:
        """From a push to the first version that answers."""
        self.system.start()
        self.system.post("/projects", name="shop", data_root=str(self.folder), actor="ada")
        subprocess.run(
            ["git", "push", "-q", self.system.url() + "/git/shop.git", "dev"], cwd=self.folder, check=True
        )
        self.settle()
        self.system.post("/promote", what="1", environment="production", actor="katherine")
        self.settle()

    def watch(self) -> None:
        """Orders are placed, a day passes, and what became of them is told."""
        self.ask(self.orders(0))
        status = self.system.post("/clock", to=(START + DAY).isoformat(), wait=PATIENCE)
        assert status["settled"], status
        told = [{"prediction": order.id, "value": order.late} for order in self.orders(0)]
        self.system.post("/labels", model="returns", items=told)
        self.settle()

    def train(self, why: str, rate: float) -> None:
        """A run on demand, to its end."""
        where = {"pipeline": "train_returns", "environment": "production"}
        while not self.asked(why):
            self.system.post_once("/triggers/fire", **where, why=why, params={"learning_rate": rate})
        self.settle()

    def asked(self, why: str) -> bool:
        return bool(self.rows("SELECT 1 FROM requests WHERE why = ?", why))

    def settle(self) -> None:
        status = self.system.post("/settle", wait=PATIENCE)
        assert status["settled"], status

    def ask(self, orders: list[Flight]) -> None:
        with closing(Passengers(self.system, "returns", DATATYPES)) as client:
            client.ask(orders)
            assert client.counts.failed == 0

    def orders(self, day: int) -> list[Flight]:
        """A hundred orders of a day after START, with their features and what became of them."""
        frame = pl.read_parquet(self.folder / "data" / "orders")
        since = START + day * DAY
        chosen = frame.filter(pl.col("ordered_at").is_between(since, since + DAY)).sort("ordered_at")
        return [
            Flight(
                id=row["order_id"],
                departs_at=row["ordered_at"].timestamp(),
                known_at=row["known_at"].timestamp(),
                features={"load": 0.8, "staff": 12.0, **{n: row[n] for n in DATATYPES if n in row}},
                late=row["returned"],
            )
            for row in chosen.head(100).iter_rows(named=True)
        ]

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """What the store holds."""
        return rows(self.system.home, query, *values)

    def end_state(self) -> dict[str, Any]:
        """All that became of it: nouns without their numbers of events, and each event once."""
        told = {
            "events": "SELECT kind, subject, time, actor FROM events WHERE kind != 'step.requeued'",
            "releases": "SELECT id, number, wheel, environment FROM releases",
            "deployments": "SELECT environment, release, active, why FROM deployments",
            "runs": "SELECT id, environment, status, error, as_of FROM runs",
            "steps": "SELECT id, status, key, errors, outputs, cached_from, why FROM step_runs",
            "metrics": "SELECT run, step, name, value FROM metrics",
            "snapshots": "SELECT id, digest, as_of FROM snapshots",
            "versions": "SELECT id, run, artifact, metrics, examples, holdout FROM versions",
            "placements": "SELECT id, role FROM placements",
            "firings": "SELECT id, slot, kind, time, why, run FROM firings",
            "swaps": "SELECT id, before, after, time FROM swaps",
            "predictions": "SELECT id, version, time, score, truth FROM predictions",
            "windows": "SELECT id, predictions, labelled, metrics FROM windows",
        }
        return {name: sorted(self.rows(query), key=repr) for name, query in told.items()}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `penstock new` makes, with a shorter way to production."""
    folder = make_project("shop", tmp_path_factory.mktemp("projects"))
    (folder / "penstock.toml").write_text(DELIVERY)
    git = ("git", "-c", "user.name=Ada", "-c", "user.email=ada@shop.example")
    subprocess.run([*git, "commit", "-qam", "Deliver faster"], cwd=folder, check=True)
    until = (START + 60 * DAY).isoformat()
    subprocess.run([sys.executable, "-m", "shop.data", "data", "--until", until], cwd=folder, check=True)
    return folder


@contextmanager
def shop_in(home: Path, project: Path) -> Iterator[Shop]:
    shop = Shop(project, home)
    try:
        yield shop
    finally:
        shop.system.stop()


@pytest.fixture(scope="module")
def undisturbed(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The twin to which nothing happens before its end state is taken."""
    with shop_in(tmp_path_factory.mktemp("undisturbed"), project) as shop:
        shop.live()
        shop.watch()
        shop.train("to compare", 0.2)
        yield shop


def test_killed_at_every_turn_a_system_goes_on_to_the_same_end(
    undisturbed: Shop, project: Path, tmp_path: Path, processes_of: ProcessesOf
) -> None:
    expected = undisturbed.end_state()
    with shop_in(tmp_path, project) as shop:
        with Reaper(shop.system.home, MOMENTS, SEEN, processes_of) as reaper:
            shop.live()
            shop.watch()
            shop.train("to compare", 0.2)
        assert reaper.killed == set(MOMENTS)
        found = shop.end_state()
        for name, rows in expected.items():
            assert found[name] == rows, name
        assert shop.system.get("/audit")["ok"]
    assert processes_of(tmp_path) == []


def test_a_killed_prediction_process_comes_back_with_its_plan_and_its_log(
    undisturbed: Shop, processes_of: ProcessesOf
) -> None:
    shop = undisturbed
    before = processes_of(shop.system.home.folder, PREDICTION)
    [(champion,)] = shop.rows("SELECT number FROM placements WHERE role = 'champion'")
    with asking(shop, 1) as answered:
        wait_for(lambda: len(answered) > 100 and time.monotonic() - min(answered.values()) > 1)
        killed = time.monotonic()
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: set(processes_of(shop.system.home.folder, PREDICTION)) - set(before))
        back = time.monotonic()  # until then an answer may be one that was under way at the kill
        wait_for(lambda: max(answered.values()) > back + 1)
    shop.settle()
    kept = kept_in(shop.system.home.predictions)
    durable = {name for name, at in answered.items() if not killed - 1 < at < back}
    assert durable <= set(kept)
    assert {kept[name] for name in durable} == {champion}


def test_while_a_killed_control_process_is_away_predictions_go_on(
    undisturbed: Shop, processes_of: ProcessesOf
) -> None:
    shop = undisturbed
    home = shop.system.home
    before = set(processes_of(home.folder, PREDICTION))
    with asking(shop, 3) as answered:
        wait_for(lambda: len(answered) > 20)
        server = home.server()
        assert server
        os.kill(server.pid, signal.SIGKILL)
        wait_for(lambda: not home.is_owned())
        away = time.monotonic()
        wait_for(lambda: max(answered.values()) > away + 3)
        assert set(processes_of(home.folder, PREDICTION)) == before
        assert (home.server(), home.predict_url()) == (None, server.predict_url)
    wait_for(shop.system.ended)
    shop.settle()
    assert not before & set(processes_of(home.folder, PREDICTION)), "others have taken their place"
    assert set(answered) <= {name for (name,) in shop.rows("SELECT id FROM predictions")}


def kept_in(predictions: Path) -> dict[str, int]:
    """The versions by the ids of what they answered, packed by now or not."""
    log = JsonlPredictionLog(predictions)
    lines = [record for segment in log.segments() for record in log.read(segment, 0, 1_000_000)[0]]
    packed = pl.scan_parquet(predictions / "packed", missing_columns="insert", extra_columns="ignore")
    return {name: record.version for record in lines for name in record.ids} | dict(
        packed.select("id", "version").collect().iter_rows()
    )


def test_sigterm_under_load_loses_no_answer_and_lets_nobody_wait(undisturbed: Shop) -> None:
    shop = undisturbed
    home = shop.system.home
    before = shop.end_state()
    with asking(shop, 2, again=False) as answered:
        wait_for(lambda: len(answered) > 20)
        server = home.server()
        assert server
        os.kill(server.pid, signal.SIGTERM)
        wait_for(lambda: not home.is_owned())
    shop.system.start()
    shop.settle()
    taken_in = {name for (name,) in shop.rows("SELECT id FROM predictions")}
    assert set(answered) <= taken_in
    assert shop.end_state()["versions"] == before["versions"]


@contextmanager
def asking(shop: Shop, number: int, *, again: bool = True) -> Iterator[dict[str, float]]:
    """Orders keep asking, each under a new id; tells when each id was answered."""
    answered: dict[str, float] = {}
    enough = threading.Event()
    orders = shop.orders(0)

    def go() -> None:
        count = 0
        with closing(Passengers(shop.system, "returns", DATATYPES)) as client:
            while not enough.is_set():
                count += 1
                name = f"load-{number}-{count}"
                order = orders[count % len(orders)]
                client.ask([Flight(name, order.departs_at, order.known_at, order.features, order.late)])
                assert client.counts.failed == 0
                answered[name] = time.monotonic()

    thread = threading.Thread(target=go, name="orders")
    thread.start()
    try:
        yield answered
    finally:
        enough.set()
        thread.join()


def wait_for(happened: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)
