"""The overview shows how a model did, why work started, and what happened last."""

from litestar import Litestar
from litestar.testing import TestClient

from penstock.app import App


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
