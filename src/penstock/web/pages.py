"""Pages for people, rendered from the same data that programs get."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from penstock.app.cards.html import card_html
from penstock.app.data.html import profile_html
from penstock.app.experiments.html import run_html
from penstock.core.errors import PenstockError
from penstock.core.human import human, is_moment
from penstock.web.chart import chart
from penstock.web.moved import pictures

HEADLINE = "roc_auc"
"""The metric that is drawn where a model was measured by several."""
LINK = "download"
"""The name of values that are addresses of this site."""

SHOWN_APART = ("profile", "left_out")
"""What of a snapshot is drawn."""

SENTENCES = ("why", "explanation", "error", "problem", "result")
"""What of a row is told in sentences."""

_pages = Environment(
    loader=PackageLoader("penstock.web"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=StrictUndefined,
)
_pages.filters["human"] = human
_pages.filters["columns"] = lambda row: [
    (name, name, "") if name == LINK else (name, name) for name in row if name not in SENTENCES
]
_pages.filters["sentences"] = lambda row: [row[name] for name in SENTENCES if row.get(name)]
_pages.tests["moment"] = is_moment


def overview_page(data: Mapping[str, Any]) -> str:
    """The overview as HTML."""
    charts = {model["id"]: chart(model["windows"], _headline(model["windows"])) for model in data["models"]}
    return _pages.get_template("overview.html").render(**data, charts=charts)


def run_page(path: str, data: Mapping[str, Any], figures: Sequence[Mapping[str, Any]]) -> str:
    """A run as HTML: its steps, its metrics over time and its figures, then everything else."""
    look = Markup(run_html(data, figures))  # noqa: S704 rendered there
    shown = {name: part for name, part in data.items() if name not in ("steps", "metrics", "graph")}
    return page(path, {}, shown, look)


def alarm_page(path: str, data: Mapping[str, Any]) -> str:
    """An alarm as HTML: the columns that moved, drawn, then everything else."""
    look = Markup(_pages.get_template("moved.html").render(pictures=pictures(data["shares"])))  # noqa: S704
    return page(path, {}, {name: part for name, part in data.items() if name != "shares"}, look)


def windows_page(path: str, query: Mapping[str, str], data: Mapping[str, Any]) -> str:
    """Windows as HTML: every metric of the champions by day, drawn, then what each window was."""
    windows = data["items"]
    drawn = [
        (f"{model} in {environment}", found)
        for model, environment in dict.fromkeys((each["model"], each["environment"]) for each in windows)
        for metric in _metrics(windows)
        if (
            found := chart(
                [each for each in windows if (each["model"], each["environment"]) == (model, environment)],
                metric,
            )
        )
    ]
    return _pages.get_template("windows.html").render(path=path, query=query, windows=windows, drawn=drawn)


def snapshot_page(path: str, data: Mapping[str, Any]) -> str:
    """A snapshot as HTML: what its rows were, drawn, and which were left out."""
    look = Markup(profile_html(data["profile"], data["left_out"]))  # noqa: S704 rendered there
    return page(path, {}, {name: part for name, part in data.items() if name not in SHOWN_APART}, look)


def card_page(path: str, card: Mapping[str, Any]) -> str:
    """A model card as HTML, with its plots."""
    look = Markup(card_html(card))  # noqa: S704 rendered there
    return _pages.get_template("card.html").render(path=path, look=look)


def page(path: str, query: Mapping[str, str], data: Mapping[str, Any], look: Markup | None = None) -> str:
    """Any noun as HTML: what it says of itself, then a part for each of the things that it holds."""
    parts = {name: part for name, part in data.items() if _holds_things(name, part)}
    facts = {name: fact for name, fact in data.items() if name not in parts}
    return _pages.get_template("noun.html").render(
        path=path, query=query, facts=facts, parts=parts, look=look
    )


def error_page(error: PenstockError) -> str:
    """A refusal as HTML."""
    return _pages.get_template("error.html").render(error=error)


def login_page(error: str) -> str:
    """Where a person shows an access token; `error` says why one is asked for."""
    return _pages.get_template("login.html").render(error=error)


def _headline(windows: list[dict[str, Any]]) -> str:
    measured = _metrics(windows)
    return HEADLINE if HEADLINE in measured else min(measured, default=HEADLINE)


def _metrics(windows: list[dict[str, Any]]) -> list[str]:
    """What windows were measured by, or estimated."""
    return sorted({name for window in windows for name in (*window["metrics"], *window["estimated"])})


def _holds_things(name: str, part: Any) -> bool:
    nested = isinstance(part, list | tuple) and part and isinstance(part[0], Mapping)
    return name == "items" or bool(nested) or (isinstance(part, Mapping) and bool(part))
