"""The overview shows how a model did, why work started, and what happened last."""

import re

from litestar import Litestar
from litestar.testing import TestClient
from msgspec.structs import replace

from penstock.app import App
from penstock.monitoring.types import Alarm, Sliced, Window


def test_the_metric_is_drawn_over_the_days(busy: App, web: TestClient[Litestar]) -> None:
    page = web.get("/").text
    assert page.count("<circle") == 10
    assert "2013-03-01: 0.700 of version 1, 90 labels" in page


def test_it_says_why_a_trigger_fired_and_links_the_run(busy: App, web: TestClient[Litestar]) -> None:
    page = web.get("/").text
    assert "roc_auc 0.655 &lt;is&gt; 0.045 below 0.700" in page
    assert '<a href="/runs/5">5</a>' in page


def test_an_alarm_is_told_with_its_sentence(busy: App, web: TestClient[Litestar]) -> None:
    heading = '<h2><a href="/alarms">Alarms</a></h2>'
    assert heading not in web.get("/").text
    with busy.store.begin() as tx:
        tx.add(
            Alarm(
                id="1",
                project="flights",
                environment="production",
                model="delay",
                version=1,
                what="inputs",
                raised=busy.clock.now(),
                since=busy.clock.now(),
                window="w",
                last=busy.clock.now(),
                windows=1,
                rows=90,
                chance=0.001,
                false_alarms="1 per 90d",
                columns=(),
                why="temp: mean from 35 to 70",
            )
        )
    page = web.get("/").text
    assert heading in page
    assert '<a href="/alarms/1">1</a>' in page
    assert "temp: mean from 35 to 70" in page


def test_windows_are_drawn_by_each_of_their_metrics(busy: App, web: TestClient[Litestar]) -> None:
    with busy.store.begin() as tx:
        for window in tx.find(Window):
            tx.put(replace(window, metrics={**window.metrics, "log_loss": 0.4}))
    page = web.get("/windows?model=delay").text
    assert page.count("<svg") == 2
    assert "log_loss of delay in production by day" in page
    assert '<a href="/windows/' in page


def test_no_windows_are_told_as_none(web: TestClient[Litestar]) -> None:
    assert "No window was measured yet." in web.get("/windows").text


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
    cells = re.findall(r'<td data-of="([^"]*)">(?:<time>)?([^<]*)<', page)
    assert ("slice", "carrier = UA") in cells
    at = cells.index(("slice", "carrier = UA"))
    assert cells[at + 1] == ("day", "2013-03-09")
    told = {"predictions": "50", "labelled": "40", "metrics": "roc_auc 0.61", "95 %": "roc_auc 0.52 to 0.7"}
    assert told.items() <= dict(cells[at : at + 7]).items()
    [told] = web.get("/models/delay/slices.json").json()["items"]
    assert (told["slice"], told["version"], told["bands"]) == ("carrier = UA", 1, {"roc_auc": [0.52, 0.7]})
