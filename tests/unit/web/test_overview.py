"""The overview shows how a model did, why work started, and what happened last."""

from litestar import Litestar
from litestar.testing import TestClient
from msgspec.structs import replace

from penstock.app import App
from penstock.monitoring.types import Sliced, Window


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


def test_slices_are_shown_as_of_the_newest_day_whose_labels_are_known(
    busy: App, web: TestClient[Litestar]
) -> None:
    known = Sliced(
        slice="carrier = UA",
        predictions=50,
        labelled=40,
        metrics={"roc_auc": 0.61},
        bands={"roc_auc": (0.52, 0.7)},
    )
    with busy.store.begin() as tx:
        *_, before, newest = tx.find(Window, order="start")
        tx.put(replace(before, slices=(known,)), replace(newest, slices=(Sliced(slice="carrier = B6"),)))
    page = web.get("/").text
    assert "<td>carrier = UA</td><td><time>2013-03-09 00:00</time>" in page
    assert "<td>50</td><td>40</td><td>roc_auc 0.61</td><td>roc_auc 0.52, 0.7</td>" in page
    [told] = web.get("/models/delay/slices.json").json()["items"]
    assert (told["slice"], told["version"], told["bands"]) == ("carrier = UA", 1, {"roc_auc": [0.52, 0.7]})
