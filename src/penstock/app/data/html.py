"""Profiles as HTML that needs nothing else: no script, no network, no other file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from penstock.app.experiments.plots import COLOURS, bars, histogram
from penstock.core.human import human

MOST = 300
"""Columns that a page draws."""
ROOM = 9
"""Letters that fit beside a bar."""
_pages = Environment(
    loader=PackageLoader("penstock.app.data"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_DRAWN = ("column", "type", "edges", "bars", "top", "missed", "null_share")


def profile_html(profile: Mapping[str, Any], quarantine: Sequence[Mapping[str, Any]] = ()) -> str:
    """A profile as a piece of a page: `profile` as `datasets.portraits.portrait` gives it."""
    shown = {**profile, "columns": profile["columns"][:MOST]}
    return _pages.get_template("profile.html").render(
        profile=shown,
        quarantine=quarantine,
        facts=_facts,
        picture=_picture,
        more=len(profile["columns"]) - len(shown["columns"]),
    )


def difference_html(told: Mapping[str, Any], names: Sequence[str]) -> str:
    """Two profiles side by side, as a piece of a page."""
    return _pages.get_template("difference.html").render(
        columns=told["columns"][:MOST],
        names=names,
        picture=_picture,
        more=max(0, len(told["columns"]) - MOST),
    )


def as_file(title: str, says: str, look: str) -> str:
    """A piece of a page as a file of its own."""
    return _pages.get_template("file.html").render(title=title, says=says, look=Markup(look))  # noqa: S704


def _facts(column: Mapping[str, Any]) -> dict[str, str]:
    facts = {name: value for name, value in column.items() if name not in _DRAWN}
    facts["nulls"] = f"{column['nulls']} ({column['null_share']:.2%})"
    return {name.replace("_", " "): text for name, value in facts.items() if (text := human(value))}


def _picture(column: Mapping[str, Any]) -> Markup:
    edges = column.get("edges", ())
    if column.get("bars") and len(edges) > 2:
        if column["type"] != "time":
            return Markup(histogram(edges, column["bars"], human))  # noqa: S704 drawn there
        with suppress(ValueError):  # beyond the years that a calendar has
            return Markup(histogram([_seconds(edge) for edge in edges], column["bars"], _moment))  # noqa: S704
    named = column.get("top") or {}
    shown = [(name if len(name) <= ROOM else f"{name[: ROOM - 1]}…", float(n)) for name, n in named.items()]
    return Markup(bars(shown, COLOURS[:1])) if shown else Markup()  # noqa: S704 drawn there


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


def _moment(seconds: float) -> str:
    return human(datetime.fromtimestamp(seconds, UTC).isoformat())
