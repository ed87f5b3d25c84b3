"""Which page shows a noun, and what else than the noun itself is on it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from penstock.app import App
from penstock.app.api import call
from penstock.web.overview import WINDOWS
from penstock.web.pages import (
    alarm_page,
    card_page,
    model_page,
    page,
    run_page,
    snapshot_page,
    windows_page,
)

Query = Mapping[str, str]
Data = Mapping[str, Any]


def shown(app: App, path: str, query: Query, data: Data) -> str:
    """What the address of a noun says, as a page."""
    for pattern, special in _PAGES.items():
        if re.fullmatch(pattern, path):
            return special(app, path, query, data)
    return page(path, query, data)


def _run(app: App, path: str, _query: Query, data: Data) -> str:
    return run_page(path, data, _items(app, f"{path}/figures"))


def _model(app: App, path: str, _query: Query, data: Data) -> str:
    name = data["model"]["id"]
    versions = _items(app, "/versions", model=name)
    return model_page(path, data, versions, _items(app, "/windows", model=name, limit=WINDOWS))


def _release(app: App, path: str, query: Query, data: Data) -> str:
    promotes = [each for each in _items(app, "/environments") if each["deploy"] == "promote"]
    return page(path, query, data, promotes=promotes)


_PAGES: Mapping[str, Callable[[App, str, Query, Data], str]] = {
    r"/runs/\d+": _run,
    r"/models/[^/]+": _model,
    r"/models/[^/]+/card": lambda _app, path, _query, data: card_page(path, data),
    r"/alarms/\d+": lambda _app, path, _query, data: alarm_page(path, data),
    r"/snapshots/[^/]+": lambda _app, path, _query, data: snapshot_page(path, _plain(data)),
    r"/releases(/[^/]+)?": _release,
    r"/windows": lambda _app, path, query, data: windows_page(path, query, data),
}


def _items(app: App, path: str, **query: Any) -> Any:
    return _plain(call(app, "GET", path, query)["items"])


def _plain(data: Any) -> Any:
    """Data as programs get them: bytes in base64."""
    return msgspec.to_builtins(data)
