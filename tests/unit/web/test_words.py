"""How pages write values: by the name under which they stand, and long names so that lines may break."""

from __future__ import annotations

import re
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from penstock.app import App
from penstock.monitoring.types import Traffic, Window
from penstock.serving.types import TIMES
from penstock.web.words import WRITTEN, breakable

Web = TestClient[Litestar]
NAME = "returns_of_orders_within_thirty_days"


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("95 %", {"mae": [1, 2.5], "rmse": [0, 3]}, "mae 1 to 2.5, rmse 0 to 3"),
        ("day", "2013-03-09T00:00:00Z", "<time>2013-03-09</time>"),
        ("refused", {"400": 90, "413": 1}, "90\u00a0with\u00a0400, 1\u00a0with\u00a0413"),
        ("refused", {}, ""),
        ("size", 180_915, "181 KB"),
        ("size", None, ""),
        ("ttl", 10_800.0, "3h"),
        ("verdicts", [{"check": "a", "passed": True, "why": "x"}], "1 of 1 passed"),
        ("verdicts", [{"check": "a", "passed": False, "why": "x"}], "0 of 1 passed; a: x"),
    ],
)
def test_values_are_written_by_their_name(name: str, value: Any, text: str) -> None:
    assert WRITTEN[name](value) == text


def test_long_words_may_break_and_stay_what_they_are() -> None:
    text = f"<b> & model_of_1 {NAME}@7"
    told = breakable(text)
    assert told.startswith("&lt;b&gt; &amp; model_of_1 returns_<wbr>of_<wbr>")
    assert told.replace("<wbr>", "") == f"&lt;b&gt; &amp; model_of_1 {NAME}@7"


def test_traffic_is_a_list_by_day_and_stands_beside_windows(busy: App, web: Web) -> None:
    with busy.store.begin() as tx:
        *_, window = tx.find(Window, order="start")
        about = {name: getattr(window, name) for name in Traffic.__struct_fields__ if hasattr(window, name)}
        tx.add(Traffic(**about, rows=9, times=(3, *(0 for _ in TIMES)), refused={"400": 2}))
    for path in ("/traffic", "/traffic?model=delay", "/windows"):
        cells = re.findall(r'<td data-of="([^"]*)">([^<]*)</td>', web.get(path).text)
        assert {("requests", "3"), ("refused", "2\u00a0with\u00a0400")} <= set(cells), path
    assert '<td data-of="day"><time>' in web.get("/traffic").text
