"""Which columns lists have on pages, and where the names of nouns lead."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

PLACES = (
    ("/", "Overview"),
    ("/models", "Models"),
    ("/windows", "Windows"),
    ("/alarms", "Alarms"),
    ("/triggers", "Triggers"),
    ("/runs", "Runs"),
    ("/branches", "Branches"),
    ("/builds", "Builds"),
    ("/releases", "Releases"),
    ("/environments", "Environments"),
    ("/rollouts", "Rollouts"),
    ("/snapshots", "Snapshots"),
    ("/features", "Features"),
    ("/events?last=true", "Events"),
)
"""The lists that every page leads to."""

LINKS = {
    "alarm": "/alarms/",
    "build": "/builds/",
    "cause": "/why/",
    "because of": "/why/",
    "champions": "/models/",
    "event": "/why/",
    "model": "/models/",
    "release": "/releases/",
    "rollout": "/rollouts/",
    "run": "/runs/",
    "skew": "/skews/",
    "snapshot": "/snapshots/",
    "sweep": "/sweeps/",
    "test": "/tests/",
    "trigger": "/explanations?trigger=",
    "window": "/windows/",
    "download": "",
}
"""What the address of a noun begins with, by the heading or name under which it stands."""


class Listing(msgspec.Struct, frozen=True):
    """The columns of a list, `heading=key` where the two differ, and what is said where nothing is in it."""

    columns: tuple[str, ...]
    empty: str = "There is nothing here yet."


LISTINGS: Mapping[str, Listing] = {
    "/alarms": Listing(
        ("alarm=id", "raised", "model", "version", "environment", "what", "since", "chance", "ended"),
        "No alarm was ever raised.",
    ),
    "/branches": Listing(
        ("branch=name", "project", "commit", "moved", "approvals", "waits", "event"),
        "No branch is watched yet: penstock connect, then git push penstock dev.",
    ),
    "/builds": Listing(
        ("build=id", "project", "branch", "commit", "status", "stage", "created", "finished", "release"),
        "None yet: git push penstock dev.",
    ),
    "/deployments": Listing(
        ("environment", "project", "release", "commit", "deployed", "kind", "actor", "active", "event"),
        "None yet: a green build of the branch of an environment is deployed there.",
    ),
    "/environments": Listing(
        ("environment", "project", "deploy", "branch", "release", "deployed", "champions", "waits"),
        "None yet: the first release brings them.",
    ),
    "/events": Listing(
        ("event=id", "time", "what=kind", "subject", "by=actor", "because of=cause", "evidence"),
    ),
    "/explanations": Listing(("trigger", "since", "until", "looks", "firing")),
    "/features": Listing(
        (
            *("view", "environment", "project", "version", "read by=readers", "entity=keys", "source", "ttl"),
            *("as of=as_of", "rows", "run"),
        ),
        "None yet: a release with feature views brings them.",
    ),
    "/firings": Listing(
        ("time", "pipeline", "environment", "project", "kind", "then", "run", "event"),
        "No trigger has fired yet.",
    ),
    "/gates": Listing(
        ("model", "version=number", "environment", "time", "outcome", "verdicts", "event"),
        "None yet: a version comes before its gate.",
    ),
    "/models": Listing(
        ("model=id", "project", "versions", "metrics", "champions", "created"),
        "None yet: a run that publishes makes one.",
    ),
    "/releases": Listing(
        ("release=id", "number", "project", "commit", "build", "created", "event"),
        "None yet: a green build makes one.",
    ),
    "/revisions": Listing(("commit", "branch", "project", "author", "message", "seen", "link", "event")),
    "/rollouts": Listing(
        ("rollout=id", "model", "environment", "version=number", "champion", "status", "share", "since"),
        "None yet: a version takes over step by step where penstock.toml says `rollout`.",
    ),
    "/runs": Listing(
        (
            *("run=id", "pipeline", "environment", "status", "as of=as_of", "finished"),
            *("params", "release", "by=actor"),
        ),
        "None yet: penstock run PIPELINE, or a trigger.",
    ),
    "/snapshots": Listing(
        ("snapshot=id", "rows", "quarantined", "as of=as_of", "first", "last"),
        "None yet: a run that reads a source makes one.",
    ),
    "/tests": Listing(
        (
            "test=id",
            "model",
            "environment",
            "version=number",
            "champion",
            "kind",
            "share",
            "status",
            "verdict",
        ),
        "None yet: penstock tests start MODEL@VERSION --shadow.",
    ),
    "/traffic": Listing(
        (
            *("day=start", "model", "environment", "version", "variant", "requests", "rows", "refused"),
            *("p50 ms=p50", "p95 ms=p95", "p99 ms=p99"),
        ),
        "Nothing was asked yet.",
    ),
    "/triggers": Listing(
        ("trigger=id", "fired", "checked", "paused"),
        "None yet: penstock.toml declares them, and a release brings them.",
    ),
    "/versions": Listing(
        ("model=id", "stage", "environment", "metrics", "run", "added", "format", "size", "tags"),
    ),
}
"""By the path of the list. Lists without an entry show all that their rows hold."""
