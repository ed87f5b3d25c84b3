"""A system on a home of its own, and its pages as a browser asks for them."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from penstock.app import App, open_app
from penstock.core.events import Event
from penstock.datasets.types import Profile
from penstock.models.types import Model
from penstock.monitoring.types import Window
from penstock.triggers.types import Firing
from penstock.web import create_web

MARCH = datetime(2013, 3, 1, tzinfo=UTC)


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    """A system that nothing ticks."""
    with open_app(tmp_path / "home") as app:
        yield app


@pytest.fixture
def web(app: App) -> Iterator[TestClient[Litestar]]:
    """A client that asks by a loopback name."""
    with TestClient(create_web(app), base_url="http://127.0.0.1:4747") as client:
        client.headers["Authorization"] = f"Bearer {app.home.key()}"
        yield client


def window(day: int, roc_auc: float) -> Window:
    start = MARCH + timedelta(days=day)
    return Window(
        id=f"production:delay@1:champion:{start:%Y-%m-%d}",
        environment="production",
        model="delay",
        version=1,
        variant="champion",
        start=start,
        end=start + timedelta(days=1),
        predictions=100,
        labelled=90,
        completeness=0.9,
        metrics={"roc_auc": roc_auc},
        drift={},
        profile=Profile(rows=100, columns=()),
        measured=start + timedelta(days=2),
    )


@pytest.fixture
def busy(app: App) -> App:
    """A system with a model that was measured for ten days and a trigger that fired."""
    with app.store.begin() as tx:
        tx.publish(*(Event(kind="noted", subject=f"note:{n}", time=MARCH) for n in range(1, 31)))
        tx.add(Model(id="delay", project="flights", created=MARCH))
        tx.add(*(window(day, 0.7 - day / 200) for day in range(10)))
        tx.add(
            Firing(
                id="1",
                slot="slot",
                project="flights",
                environment="production",
                pipeline="train_delay",
                kind="worse",
                time=MARCH,
                why="roc_auc 0.655 <is> 0.045 below 0.700",
                evidence={},
                events=(7,),
                run="5",
                event=7,
            )
        )
    return app
