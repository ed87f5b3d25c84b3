"""`python -m benchmarks.frame.page`: docs/benchmarks.md and its plots, from the results that there are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from benchmarks.frame.environments import ROOT, environment
from benchmarks.frame.measure import timed
from benchmarks.frame.report import number_text
from benchmarks.frame.results import QUICK, RESULTS

BENCHMARKS = ROOT / "benchmarks"
PLOTS = Path(__file__).parent / "plots.py"
MARKS = {True: "met", False: "**missed**", None: ""}


def refresh(results: Path = RESULTS) -> Path:
    """Write the page; gives its path. That of a trial lies beside its results. Raises Failed."""
    docs = results if results == QUICK else ROOT / "docs"
    plots = docs / "benchmarks"
    plots.mkdir(exist_ok=True)
    areas = {}
    for template in sorted(BENCHMARKS.glob("*/page.md")):
        area = template.parent.name
        measured = results / f"{area}.json"
        if measured.exists():
            drawn = [environment("plots", "matplotlib==3.10.8").python, str(PLOTS), str(measured)]
            timed([*drawn, str(plots / f"{area}.svg")], folder=ROOT, env={})
        areas[area] = _section(template, results)
    page = docs / "benchmarks.md"
    page.write_text(_rendered(Path(__file__).parent / "head.md", areas=areas), encoding="utf-8")
    return page


def _section(template: Path, results: Path) -> str:
    area = template.parent.name
    rows = _read(results / f"{area}.json") or []
    about = _read(results / f"{area}.samples.json") or {}

    def table(*beginnings: str) -> str:
        return _table([row for row in rows if row["name"].startswith(beginnings)])

    bars = [row["met"] for row in rows if row["bar"]]
    return _rendered(template, table=table, about=about, met=sum(met is True for met in bars), bars=len(bars))


def _rendered(template: Path, **values: Any) -> str:
    places = Environment(
        loader=FileSystemLoader(template.parent), undefined=StrictUndefined, keep_trailing_newline=True,
        trim_blocks=True, autoescape=False,  # noqa: S701 this is Markdown
    )  # fmt: skip
    return places.get_template(template.name).render(**values)


def _read(path: Path) -> Any:
    return json.loads(path.read_bytes()) if path.exists() else None


def _table(rows: list[dict[str, Any]]) -> str:
    if not rows:
        return "Not measured yet."
    lines = [
        "| what | ours | beside | theirs | times better | bar | | |",
        "|---|--:|---|--:|--:|---|---|---|",
    ]
    for row in rows:
        ours, peer, ratio = (number_text(row[name]) for name in ("ours", "peer", "ratio"))
        theirs = "failed" if row["peer"] is None else f"{peer} {row['unit']}"
        named = (f"{row['peer_name']} {row['peer_version']}".strip(), theirs, ratio)
        beside = named if row["peer_name"] else ("", "", "")
        held = (row["bar"], MARKS[row["met"]], row["note"].replace("|", "\\|"))
        lines.append("| " + " | ".join((row["name"], f"{ours} {row['unit']}", *beside, *held)) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(refresh())
