"""Pages for people, rendered from the same data that programs get."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from penstock.app.cards.html import card_html
from penstock.app.data.html import profile_html
from penstock.app.experiments.html import run_html
from penstock.core.errors import PenstockError
from penstock.core.human import human, is_moment
from penstock.web.buttons import Button, buttons
from penstock.web.chart import by_version, chart
from penstock.web.listings import LINKS, LISTINGS, PLACES, Listing
from penstock.web.moved import pictures
from penstock.web.words import WRITTEN, breakable, day

HEADLINE = "roc_auc"
"""The metric that is drawn where a model was measured by several."""

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
_pages.filters["day"] = day
_pages.filters["breakable"] = breakable
_pages.globals["written"] = WRITTEN
_pages.filters["heading"] = lambda column: column.partition("=")[0]
_pages.filters["key"] = lambda column: column.partition("=")[2] or column
_pages.filters["sentences"] = lambda row, columns: [
    row[name] for name in SENTENCES if name not in columns and row.get(name)
]
_pages.filters["columns"] = lambda row: [name for name in row if name not in SENTENCES]
_pages.globals["links"] = LINKS
_pages.globals["places"] = PLACES
_pages.tests["moment"] = is_moment


def overview_page(data: Mapping[str, Any]) -> str:
    """The overview as HTML."""
    charts = {model["id"]: chart(model["windows"], _headline(model["windows"])) for model in data["models"]}
    return _pages.get_template("overview.html").render(**data, charts=charts, path="/")


def model_page(
    path: str,
    data: Mapping[str, Any],
    versions: Sequence[Mapping[str, Any]],
    windows: Sequence[Mapping[str, Any]],
) -> str:
    """A model as HTML: its champions and its versions, drawn; then one version whole."""
    version = data["version"]
    by_day = [found for metric in _metrics(windows) if (found := chart(windows, metric))]
    measured = [found for metric in version["metrics"] if (found := by_version(versions, metric))]
    shown = {name: part for name, part in version.items() if name not in ("signature", "dependencies")}
    return _pages.get_template("model.html").render(
        path=path,
        **{**data, "version": shown},
        signature=version["signature"],
        dependencies=version["dependencies"],
        by_day=by_day,
        measured=measured,
        versions=versions,
        listing=LISTINGS["/versions"],
        buttons=partial(buttons, "placements"),
    )


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
    windows = [{**each, **(each["traffic"] or {})} for each in data["items"]]
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


def page(
    path: str,
    query: Mapping[str, str],
    data: Mapping[str, Any],
    look: Markup | None = None,
    promotes: Sequence[Mapping[str, Any]] = (),
) -> str:
    """Any noun as HTML: what it says of itself and what can be done with it, then the things that it holds.

    `promotes` are the environments that releases are promoted to.
    """
    parts = [_part(path, name, part, promotes) for name, part in data.items() if _holds_things(name, part)]
    facts = {name: fact for name, fact in data.items() if not _holds_things(name, fact)}
    return _pages.get_template("noun.html").render(
        path=path, query=query, facts=facts, parts=parts, look=look, pressed=_pressed(path, data, promotes)
    )


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """What a noun holds, under its name: facts, or rows with the columns that are shown and their buttons."""

    name: str
    facts: Mapping[str, Any] = {}
    rows: Sequence[Mapping[str, Any]] = ()
    listing: Listing = Listing(())
    verbs: Callable[[Mapping[str, Any]], list[Button]] | None = None


def _part(path: str, name: str, given: Any, promotes: Sequence[Mapping[str, Any]]) -> Part:
    if isinstance(given, Mapping):
        return Part(name=name, facts=given)
    place = path if name == "items" else name
    columns = tuple(each for each in given[0] if each not in SENTENCES) if given else ()
    verbs = partial(buttons, place, promotes=promotes)
    return Part(
        name=name,
        rows=given[::-1] if place == "/events" else given,
        listing=LISTINGS.get("/events" if place.startswith("/why/") else place) or Listing(columns),
        verbs=verbs if any(map(verbs, given)) else None,
    )


def _pressed(path: str, data: Mapping[str, Any], promotes: Sequence[Mapping[str, Any]]) -> list[Button]:
    """What can be done with the noun of a page, which is one of a list."""
    return buttons(path.rpartition("/")[0], data, promotes) if "id" in data else []


def error_page(error: PenstockError) -> str:
    """A refusal as HTML."""
    return _pages.get_template("error.html").render(error=error)


def login_page(error: str) -> str:
    """Where a person shows an access token; `error` says why one is asked for."""
    return _pages.get_template("login.html").render(error=error)


def _headline(windows: Sequence[Mapping[str, Any]]) -> str:
    measured = _metrics(windows)
    return HEADLINE if HEADLINE in measured else min(measured, default=HEADLINE)


def _metrics(windows: Sequence[Mapping[str, Any]]) -> list[str]:
    """What windows were measured by, or estimated."""
    return sorted({name for window in windows for name in (*window["metrics"], *window["estimated"])})


def _holds_things(name: str, part: Any) -> bool:
    nested = isinstance(part, list | tuple) and part and isinstance(part[0], Mapping)
    return name == "items" or bool(nested) or (isinstance(part, Mapping) and bool(part))
