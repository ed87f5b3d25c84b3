"""A system on a home of its own, and its pages as a browser asks for them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from penstock.app import App, open_app
from penstock.web import create_web


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    """A system that nothing ticks."""
    with open_app(tmp_path / "home") as app:
        yield app


@pytest.fixture
def web(app: App) -> Iterator[TestClient[Litestar]]:
    """A client that asks by a loopback name."""
    with TestClient(create_web(app), base_url="http://127.0.0.1:4747") as client:
        yield client
