"""`POST /sources/NAME/events`, and Feast's `/push`, bring rows to where an environment has its data."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import polars as pl
import pytest

from penstock import events, files
from penstock.app.api import call
from penstock.app.home import Home
from penstock.app.wiring import App
from penstock.core.errors import InvalidValue, NotFound
from penstock.datasets import read
from penstock.pipelines.types import Graph, Node
from penstock.revisions.types import Project
from penstock.testing.delivery import CONFIG, Delivered

NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)
CLICKS = events("clicks", event_time="at", key="id")
ROWS = [{"id": 1, "at": "2024-01-01T10:00:00Z"}, {"id": 2, "at": "2024-01-01T11:00:00Z"}]


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    app = App(Home(tmp_path / "home"), virtual=NOON)
    sources = (CLICKS, files("orders", event_time="at"))
    nodes = tuple(
        Node(name=f"{each.name}.snapshot", kind="snapshot", settings={"source": msgspec.to_builtins(each)})
        for each in sources
    )
    project = Delivered(app.store, app.blobs, app.clock)
    project.release("c1", CONFIG, Graph(pipeline="train", target="a:b", nodes=nodes))
    project.move("dev", "c1")
    app.releases.tick(NOON)
    with app.store.begin() as tx:
        tx.add(Project(id="flights", created=NOON, data_root=str(tmp_path)))
    yield app
    app.close()


def pushed(root: Path) -> pl.DataFrame:
    return read(CLICKS, root, NOON).collect()


def test_rows_are_pushed_and_pushed_again(app: App, tmp_path: Path) -> None:
    assert call(app, "POST", "/sources/clicks/events", {"rows": ROWS}) == {
        "new": 2,
        "corrected": 0,
        "known": 0,
    }
    assert call(app, "POST", "/sources/clicks/events", {"rows": ROWS})["known"] == 2
    assert pushed(tmp_path)["id"].to_list() == [1, 2]


def test_clients_of_feast_push(app: App, tmp_path: Path) -> None:
    df = {name: [row[name] for row in ROWS] for name in ("id", "at")}
    told = call(app, "POST", "/push", {"push_source_name": "clicks", "df": df, "to": "online_and_offline"})
    assert told["new"] == 2
    assert pushed(tmp_path).height == 2
    with pytest.raises(InvalidValue, match="expected offline or online_and_offline; found 'online'"):
        call(app, "POST", "/push", {"push_source_name": "clicks", "df": df, "to": "online"})
    with pytest.raises(InvalidValue, match="columns of one length"):
        call(app, "POST", "/push", {"push_source_name": "clicks", "df": df | {"id": [1]}})


def test_sources_that_take_no_rows(app: App) -> None:
    with pytest.raises(InvalidValue, match=r"The source orders is read from elsewhere.*events\(\.\.\.\)"):
        call(app, "POST", "/sources/orders/events", {"rows": ROWS})
    with pytest.raises(NotFound, match=r"No release reads a source 'clics'.*clicks"):
        call(app, "POST", "/sources/clics/events", {"rows": ROWS})
    with pytest.raises(NotFound, match="No release reads a source 'clicks' in production"):
        call(app, "POST", "/sources/clicks/events", {"rows": ROWS, "environment": "production"})
    with pytest.raises(InvalidValue, match="a list of JSON objects"):
        call(app, "POST", "/sources/clicks/events", {"rows": [1]})
