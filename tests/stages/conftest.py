"""One project on its way through the six stages: each fixture is a place that it has reached."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from penstock.cli.demo.system import System
from penstock.cli.demo.traffic import Flight, Passengers
from penstock.cli.new.make import make_project

UNTIL = datetime(2025, 6, 1, tzinfo=UTC)
START = datetime(2025, 4, 8, tzinfo=UTC)
"""A Tuesday: the weekly schedule is six days away."""
PATIENCE = 240.0
DATATYPES = {
    **dict.fromkeys(("category", "channel", "warehouse"), "BYTES"),
    **dict.fromkeys(("price", "discount", "load", "staff"), "FP64"),
    "items": "INT64",
}


class Journey:
    """The project's folder, the running system, and what a person does with them."""

    def __init__(self, system: System, folder: Path) -> None:
        self.system = system
        self.folder = folder

    def git(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Git in the project's folder, as its author."""
        name = ("-c", "user.name=Ada", "-c", "user.email=ada@shop.example")
        return subprocess.run(
            ["git", *name, *words], cwd=self.folder, capture_output=True, text=True, check=False
        )

    def push(self, ref: str) -> subprocess.CompletedProcess[str]:
        """Push over smart HTTP."""
        return self.git("push", self.system.url() + "/git/shop.git", ref)

    def commit(self) -> str:
        """The commit that the folder is at."""
        return self.git("rev-parse", "HEAD").stdout.strip()

    def settle(self) -> None:
        """Wait until everything so far has had its consequences."""
        status = self.system.post("/settle", wait=PATIENCE)
        assert status["settled"], status

    def advance(self, to: datetime) -> None:
        """Let it be `to`, if it is not later already."""
        if datetime.fromisoformat(self.system.get("/status")["now"]) < to:
            status = self.system.post("/clock", to=to.isoformat(), wait=PATIENCE)
            assert status["settled"], status

    def items(self, path: str, **query: Any) -> list[dict[str, Any]]:
        """The items of a list."""
        found: list[dict[str, Any]] = self.system.get(path, **query)["items"]
        return found

    def fire(self, environment: str, why: str) -> None:
        """A run on demand, to its end."""
        self.system.post("/triggers/fire", pipeline="train_returns", environment=environment, why=why)
        self.settle()

    def orders(self) -> list[Flight]:
        """Orders that are placed in the week after START, with their features and what became of them."""
        orders = pl.concat(pl.read_parquet(file) for file in sorted((self.folder / "data/orders").iterdir()))
        week = orders.filter(
            pl.col("ordered_at").is_between(START, START + timedelta(days=5), closed="right")
        )
        return [
            Flight(
                id=row["order_id"],
                departs_at=row["ordered_at"].timestamp(),
                known_at=row["known_at"].timestamp(),
                features={"load": 0.8, "staff": 12.0, **{n: row[n] for n in DATATYPES if n in row}},
                late=row["returned"],
            )
            for row in week.sort("ordered_at").iter_rows(named=True)
        ]

    def passengers(self) -> AbstractContextManager[Passengers]:
        """A client of the prediction service."""
        return closing(Passengers(self.system, "returns", DATATYPES))


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `penstock new` makes, with its made-up data."""
    folder = make_project("shop", tmp_path_factory.mktemp("projects"))
    data = [sys.executable, "-m", "shop.data", "data", "--until", UNTIL.isoformat()]
    subprocess.run(data, cwd=folder, check=True)
    return folder


@pytest.fixture(scope="session")
def begun(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journey]:
    """A system of its own is up, with a virtual clock, and knows the project."""
    system = System(tmp_path_factory.mktemp("home"), START, (0, 0))
    system.start()
    try:
        system.post("/projects", name="shop", data_root=str(project), actor="ada")
        yield Journey(system, project)
    finally:
        system.stop()


@pytest.fixture(scope="session")
def pushed(begun: Journey) -> Journey:
    """A push to `dev` has been built and its release runs in `test`."""
    assert begun.push("dev").returncode == 0
    begun.settle()
    return begun


@pytest.fixture(scope="session")
def staged(pushed: Journey) -> Journey:
    """The approved merge has taken the release to `staging`, where it ran once."""
    pushed.system.post(f"/revisions/{pushed.commit()}/approve", actor="grace")
    pushed.system.post("/merge", branch="dev", actor="grace")
    pushed.settle()
    return pushed


@pytest.fixture(scope="session")
def live(staged: Journey) -> Journey:
    """Three successful runs in staging, a promotion, and the first version answers in production."""
    for number in (2, 3):
        staged.advance(START + timedelta(hours=number))
        staged.fire("staging", f"rehearsal {number}")
    staged.system.post("/promote", what="1", environment="production", actor="katherine")
    staged.settle()
    return staged


@pytest.fixture(scope="session")
def watched(live: Journey) -> Journey:
    """A week of orders has been answered, and half of their fates are known."""
    orders = live.orders()
    with live.passengers() as client:
        for day in range(1, 6):
            now = START + timedelta(days=day)
            live.advance(now)
            since = (now - timedelta(days=1)).timestamp()
            client.ask([order for order in orders if since < order.departs_at <= now.timestamp()])
    assert client.counts.failed == 0
    told = [{"prediction": o.id, "value": o.late} for o in orders[::2]]
    live.system.post("/labels", model="returns", items=told)
    live.settle()
    return live
