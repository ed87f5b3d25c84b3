"""The overview shows how a model did, why work started, and what happened last."""

from datetime import UTC, datetime, timedelta

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from penstock.app import App
from penstock.core.events import Event
from penstock.datasets.types import Profile
from penstock.models.types import Model
from penstock.monitoring.types import Window
from penstock.triggers.types import Firing

MARCH = datetime(2013, 3, 1, tzinfo=UTC)


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


def test_the_metric_is_drawn_over_the_days(busy: App, web: TestClient[Litestar]) -> None:
    page = web.get("/").text
    assert page.count("<circle") == 10
    assert "2013-03-01: 0.700 of version 1, 90 labels" in page


def test_it_says_why_a_trigger_fired_and_links_the_run(busy: App, web: TestClient[Litestar]) -> None:
    page = web.get("/").text
    assert "roc_auc 0.655 &lt;is&gt; 0.045 below 0.700" in page
    assert '<a href="/runs/5">5</a>' in page


def test_the_last_events_come_first(busy: App, web: TestClient[Litestar]) -> None:
    events = web.get("/.json").json()["events"]
    assert [event["id"] for event in events] == list(range(19, 31))
    page = web.get("/").text
    assert page.index("note:30") < page.index("note:19")
