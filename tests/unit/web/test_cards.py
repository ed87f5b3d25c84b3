"""A model card has a page, and is had as JSON and as Markdown at the same URL."""

from litestar import Litestar
from litestar.testing import TestClient

from penstock.app import App
from penstock.testing.delivery import Delivered


def test_the_card_of_a_version_is_a_page_and_json_and_markdown(app: App, web: TestClient[Litestar]) -> None:
    Delivered(app.store, app.blobs, app.clock).version(
        auc=0.71,
        examples={"inputs": {"wind": [3.0], "carrier": ["<UA>"]}, "score": [0.25], "label": ["False"]},
    )
    page = web.get("/models/delay@1/card")
    assert page.headers["content-type"].startswith("text/html")
    assert "&lt;UA&gt;" in page.text
    assert "wind in training" in page.text
    assert 'href="/models/delay@1/card.md"' in page.text
    assert web.get("/models/delay/card.json").json()["identity"]["id"] == "delay@1"
    text = web.get("/models/delay@1/card.md")
    assert text.headers["content-type"] == "text/markdown; charset=utf-8"
    assert text.text.startswith("# Model card: delay@1\n\n## Identity\n")
    assert web.get("/models/delay@7/card.md").status_code == 404
