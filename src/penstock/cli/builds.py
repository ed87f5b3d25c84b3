"""Builds: their reports and logs, followed while they run; trying again and cancelling."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Annotated, Any

import typer

from penstock.cli.face import ActorOption, Api, ProjectOption, prints
from penstock.cli.help import group
from penstock.cli.pages import Facts, Page, Stream, Table
from penstock.core.errors import NotFound
from penstock.core.human import human

BuildArgument = Annotated[str, typer.Argument(help="A build's number.")]
FollowOption = Annotated[
    bool, typer.Option("-f", "--follow", help="Go on until it ends; with --json, a line of JSON each.")
]
POLL = 0.3
"""Seconds between looks at a build that is followed."""
SOON = 5.0
"""Seconds within which a build is made of what was just pushed."""
_UNDER_WAY = {"queued", "running"}

builds = group(help="Builds, the newest first; or one's report and log, retrying and cancelling.")


def register(app: typer.Typer) -> None:
    """Add the commands of builds."""
    builds.callback(invoke_without_command=True)(listed)
    for command in (show, log, retry, cancel):
        builds.command()(command)
    app.add_typer(builds, name="builds", rich_help_panel="Delivery")


@prints
def listed(api: Api, project: ProjectOption = "") -> Page:
    """Builds, the newest first; or one's report and log, retrying and cancelling."""
    items = api.items("/builds", project=project)
    rows = [{**item, "tests": _tally(item["tests"])} for item in items]
    columns = (
        "build=id",
        "project",
        "branch",
        "commit",
        "status",
        "stage",
        "tests",
        "created",
        "release",
        "error",
    )
    table = Table(rows, columns, "There are no builds yet: git push penstock dev.")
    return Page({"items": items}, (table,), (f"penstock builds show {items[0]['id']}",) if items else ())


@prints
def show(api: Api, build: BuildArgument, follow: FollowOption = False) -> Page | Stream:
    """A build's report, test by test."""
    return Stream(_tests(api, build), _as_told) if follow else _report(api.get(f"/builds/{build}"))


@prints
def log(api: Api, build: BuildArgument, follow: FollowOption = False) -> Page | Stream:
    """What a build and its tests printed."""
    pieces = _pieces(api, build, follow=follow)
    if follow:
        return Stream(pieces, lambda piece: piece["text"].removesuffix("\n"))
    text = "".join(piece["text"] for piece in pieces)
    return Page({"text": text}, (text.removesuffix("\n") or f"Build {build} has said nothing.",))


@prints
def retry(api: Api, build: BuildArgument, actor: ActorOption = "") -> Page:
    """Build again what failed, broke off or was cancelled."""
    found = api.post(f"/builds/{build}/retry", actor=actor)
    return Page(found, (f"Build {build} is queued again.",), (f"penstock builds show {build} -f",))


@prints
def cancel(api: Api, build: BuildArgument, actor: ActorOption = "") -> Page:
    """End a build before its time."""
    found = api.post(f"/builds/{build}/cancel", actor=actor)
    return Page(found, (f"Cancelled build {build}.",), (f"penstock builds retry {build}",))


def _report(build: dict[str, Any]) -> Page:
    columns = (
        "build=id",
        "project",
        "branch",
        "commit",
        "status",
        "stage",
        "started",
        "finished",
        "release",
        "broken",
        "log",
        "from=link",
    )
    tests = Table(
        build["tests"], ("suite", "test=name", "outcome", "seconds", "message"), "No test has ended yet."
    )
    covered = Table(
        build["coverage"], ("module=file", "percent", "lines", "never run=missing", "features"), ""
    )
    tables = (tests, covered) if build["coverage"] else (tests,)
    facts = Facts(build, (*columns, "error"))
    if build["status"] in _UNDER_WAY:
        return Page(build, (facts, *tables), (f"penstock builds show {build['id']} -f",))
    released = (f"penstock releases show {human(build['release'])}",) if build["release"] else ()
    return Page(build, (facts, *tables), (f"penstock builds log {build['id']}", *released))


def _tally(tests: list[dict[str, Any]]) -> str:
    passed = sum(test["outcome"] == "passed" for test in tests)
    return f"{passed} of {len(tests)} passed" if tests else ""


def _tests(api: Api, key: str) -> Iterator[dict[str, Any]]:
    """Each stage that begins and each test that has ended, and at last how the build did."""
    told: set[tuple[str, str]] = set()
    stage = ""
    build = _awaited(api, key)
    while True:
        if build["stage"] not in {"", stage}:
            stage = build["stage"]
            yield {"stage": stage}
        for test in build["tests"]:
            if test["outcome"] != "running" and (test["suite"], test["name"]) not in told:
                told.add((test["suite"], test["name"]))
                yield test
        if build["status"] not in _UNDER_WAY:
            yield {name: build[name] for name in ("status", "release", "error")}
            return
        time.sleep(POLL)
        build = api.get(f"/builds/{key}")


def _awaited(api: Api, key: str) -> Any:
    """A build that may have been followed as soon as its commit was pushed. Raises NotFound."""
    until = time.monotonic() + SOON
    while time.monotonic() < until:
        with suppress(NotFound):
            return api.get(f"/builds/{key}")
        time.sleep(POLL)
    return api.get(f"/builds/{key}")


def _as_told(item: Mapping[str, Any]) -> str:
    if "stage" in item:
        return f"[{item['stage']}]"
    if "status" in item:
        return " ".join(part for part in (item["status"], human(item["release"]), item["error"]) if part)
    seconds = f" {item['seconds']:.1f} s" if item["seconds"] else ""
    return f"{item['outcome']:8}{item['name']}{seconds}"


def _pieces(api: Api, build: str, *, follow: bool) -> Iterator[dict[str, Any]]:
    """The log, up to now or to its end."""
    told: dict[str, Any] = {"next": 0}
    if follow:
        _awaited(api, build)
    while True:
        told = api.get(f"/builds/{build}/log", after=told["next"])
        if told["text"]:
            yield {"text": told["text"]}
        elif told["ended"] or not follow:
            return
        else:
            time.sleep(POLL)
