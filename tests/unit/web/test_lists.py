"""Lists lead to what they list, and every page to every list."""

from datetime import timedelta

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from penstock.app import App
from penstock.app.api import ROUTES
from penstock.datasets.types import Profile
from penstock.models.types import Signature, Version
from penstock.web.listings import LINKS, LISTINGS, PLACES

Web = TestClient[Litestar]


@pytest.mark.parametrize("path", [path for path, _name in PLACES])
def test_every_page_leads_to_every_list(busy: App, web: Web, path: str) -> None:
    answer = web.get(path)
    assert answer.status_code == 200
    assert f'<a href="{path}" aria-current="page">' in answer.text
    for other, name in PLACES:
        assert f'<a href="{other}"' in answer.text
        assert f">{name}</a>" in answer.text


@pytest.mark.parametrize("path", sorted(LISTINGS))
def test_a_list_without_rows_says_so(web: Web, path: str) -> None:
    assert LISTINGS[path].empty in web.get(path).text.replace("&#39;", "'")


@pytest.mark.parametrize("start", sorted({start.partition("?")[0] for start in LINKS.values() if start}))
def test_names_lead_where_there_is_a_page(start: str) -> None:
    assert ROUTES.knows("GET", start + "x" if start.endswith("/") else start)


def test_a_list_shows_its_columns_and_leads_to_its_rows(busy: App, web: Web) -> None:
    page = web.get("/models").text
    assert '<a href="/models/delay">delay</a>' in page
    page = web.get("/firings").text
    assert '<a href="/runs/5">5</a>' in page
    assert "roc_auc 0.655 &lt;is&gt; 0.045 below 0.700" in page
    assert "slot" not in page


def test_the_newest_events_come_first(busy: App, web: Web) -> None:
    page = web.get("/events?last=true&limit=3").text
    assert page.index('href="/why/30"') < page.index('href="/why/28"')


def test_a_model_is_drawn_by_day_and_by_version(busy: App, web: Web) -> None:
    now = busy.clock.now()
    with busy.store.begin() as tx:
        for number, score in ((1, 0.7), (2, 0.71), (3, 0.69)):
            tx.add(
                Version(
                    id=f"delay@{number}",
                    model="delay",
                    number=number,
                    project="flights",
                    environment="production",
                    run="5",
                    added=now + timedelta(days=number),
                    format="onnx",
                    artifact="a" * 64,
                    location="file:///a",
                    size=1,
                    signature=Signature(task="binary", inputs=(), classes=("no", "yes")),
                    profile=Profile(rows=0, columns=()),
                    examples="",
                    holdout="",
                    label="delayed",
                    parity={},
                    training={},
                    governance={},
                    metrics={"roc_auc": score},
                )
            )
    page = web.get("/models/delay").text
    assert "roc_auc of delay by day" in page
    assert "roc_auc of delay by version" in page
    assert "delay@2: 0.71" in page
    assert '<a href="/models/delay@3/card">Model card</a>' in page
    assert '<a href="/runs/5">5</a>' in page
    assert '<a href="/traffic?model=delay">Traffic</a>' in page
