"""What the demo shows at its end: a timeline, a table by month, and the same as JSON."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from penstock.cli.demo.replay import FIRST
from penstock.cli.demo.stage import MODEL, Memory
from penstock.cli.demo.system import System
from penstock.cli.simulate import simulated

MONTHS = range(3, 13)


class Line(msgspec.Struct, frozen=True):
    """A line of the timeline."""

    time: str
    what: str
    why: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The demo's end state. Months are keys "3" to "12"; ROC-AUC is that of predictions made in the month.

    `reasons` are the times of firings by each kind of reason that they had; `simulation` is what
    `penstock simulate` tells.
    """

    requests: int
    failed: int
    repeated: int
    retried: int
    restarts: int
    seconds: float
    predictions: int
    versions: list[dict[str, Any]]
    firings: list[dict[str, Any]]
    reasons: dict[str, list[str]]
    alarms: list[dict[str, Any]]
    swaps: list[dict[str, Any]]
    refused_promotions: list[str]
    timeline: list[Line]
    auc_by_month: dict[str, float | None]
    frozen_auc_by_month: dict[str, float | None]
    audit: dict[str, Any]
    simulation: dict[str, Any]


def gather(system: System, memory: Memory, simulation: dict[str, Any]) -> Report:
    """Ask the system what happened; `simulation` is what other policies would have done."""
    versions = [
        {name: version[name] for name in ("id", "number", "added", "run", "metrics", "artifact", "stage")}
        for version in _oldest_first(system.get("/versions", model=MODEL, limit=0))
    ]
    firings = _oldest_first(system.get("/firings", limit=0))
    living, frozen = ({}, {})  # type: tuple[dict[str, Any], dict[str, Any]]
    for month in MONTHS:
        living[str(month)] = _performance(system, month, variant="champion")
        frozen[str(month)] = _performance(system, month, variant="direct", version=FIRST)
    counts = memory.counts
    return Report(
        requests=counts.requests,
        failed=counts.failed,
        repeated=counts.repeated,
        retried=counts.retried,
        restarts=system.restarts,
        seconds=round(memory.seconds, 1),
        predictions=sum(month["predictions"] for month in living.values()),
        versions=versions,
        firings=[
            {name: firing[name] for name in ("kind", "time", "why", "environment", "run")}
            for firing in firings
        ],
        reasons=_reasons(firings),
        alarms=[
            {name: alarm[name] for name in ("version", "what", "since", "raised", "ended", "chance", "why")}
            for alarm in _oldest_first(system.get("/alarms", limit=0))
        ],
        swaps=_oldest_first(system.get("/swaps", limit=0)),
        refused_promotions=memory.refusals,
        timeline=_timeline(system, firings),
        auc_by_month={month: found["value"] for month, found in living.items()},
        frozen_auc_by_month={month: found["value"] for month, found in frozen.items()},
        audit=system.get("/audit"),
        simulation=simulation,
    )


def _performance(system: System, month: int, **which: Any) -> dict[str, Any]:
    start = datetime(2013, month, 1, tzinfo=UTC)
    end = datetime(2014, 1, 1, tzinfo=UTC) if month == 12 else datetime(2013, month + 1, 1, tzinfo=UTC)
    answer: dict[str, Any] = system.get(
        f"/models/{MODEL}/performance", metric="roc_auc", start=start, end=end, **which
    )
    return answer


def _reasons(firings: list[dict[str, Any]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for firing in firings:
        kinds = [told["kind"] for told in firing["evidence"].get("reasons", ())] or [firing["kind"]]
        for kind in dict.fromkeys(kinds):
            found.setdefault(kind, []).append(firing["time"])
    return found


def _oldest_first(answer: dict[str, Any]) -> list[dict[str, Any]]:
    return list(reversed(answer["items"]))


def _timeline(system: System, firings: list[dict[str, Any]]) -> list[Line]:
    lines = [
        (
            r["seen"],
            f"revision {r['commit'][:8]} on {r['branch']}",
            f"{r['author']}: {r['message'].splitlines()[0]}",
        )
        for r in system.get("/revisions")["items"]
    ]
    lines += [
        (b["created"], f"build {b['id']} {b['status']}", f"{len(b['tests'])} tests")
        for b in system.get("/builds")["items"]
    ]
    lines += [
        (d["deployed"], f"release {d['release'][:8]} in {d['environment']}", d["why"])
        for d in system.get("/deployments")["items"]
    ]
    lines += [(f["time"], f"run {f['run']} in {f['environment']} ({f['kind']})", f["why"]) for f in firings]
    lines += [
        (
            s["time"],
            f"{MODEL}@{s['after']} live in {s['environment']}",
            f"hot swap from {s['before'] or 'none'}",
        )
        for s in system.get("/swaps", limit=0)["items"]
    ]
    lines += [
        (alarm["raised"], f"alarm {alarm['id']} about {alarm['what']}", alarm["why"])
        for alarm in system.get("/alarms", limit=0)["items"]
    ]
    lines += [
        (
            g["time"],
            f"{MODEL}@{g['number']} refused by its gate",
            "; ".join(v["why"] for v in g["verdicts"] if not v["passed"]),
        )
        for g in system.get("/gates", limit=0)["items"]
        if g["outcome"] == "failed"
    ]
    return [Line(*line) for line in sorted(lines, key=lambda line: line[0])]


def show(report: Report, console: Console) -> None:
    """Print the timeline and the table by month."""
    timeline = Table(title="What happened", title_justify="left", box=None, padding=(0, 1))
    for heading in ("when", "what", "why"):
        timeline.add_column(heading, overflow="fold")
    for line in report.timeline:
        timeline.add_row(line.time[:16].replace("T", " "), line.what, line.why)
    console.print(timeline)
    kinds = Table(title="Why runs started", title_justify="left", box=None, padding=(0, 1))
    for heading in ("reason", "runs", "on"):
        kinds.add_column(heading)
    for kind, times in sorted(report.reasons.items()):
        kinds.add_row(kind, str(len(times)), ", ".join(time[:10] for time in times))
    console.print(kinds)
    months = Table(title="ROC-AUC by month", title_justify="left", box=None, padding=(0, 1))
    for heading in ("month", "living", "frozen v1", "won", ""):
        months.add_column(heading, justify="left" if not heading else "right")
    for month in map(str, MONTHS):
        living, frozen = report.auc_by_month[month], report.frozen_auc_by_month[month]
        if living is not None and frozen is not None:
            won = living - frozen
            months.add_row(
                month, f"{living:.3f}", f"{frozen:.3f}", f"{won:+.3f}", "█" * round(max(won, 0) * 200)
            )
    console.print(months)
    console.print("What other policies of retraining would have done, decided once a week:")
    simulated(report.simulation).show(console)
    console.print(
        f"{report.requests:,} prediction requests, [bold]{report.failed} failed[/bold]; "
        f"{report.predictions:,} flights predicted, {report.repeated:,} asked again during swaps, "
        f"{report.retried} asked again because a process had died.\n"
        f"{len(report.versions)} versions, {len(report.swaps)} of them live in turn; "
        f"ledger of {report.audit['count']} events {'verified' if report.audit['ok'] else 'BROKEN'}; "
        f"{report.seconds:.0f} s."
    )


def write(report: Report, path: Path) -> None:
    """Write the report as JSON, whole or not at all."""
    made = path.with_name(f".{path.name}.new")
    made.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2))
    made.replace(path)
