"""Pure: what is still needed, given the nouns that are kept."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable, Mapping
from datetime import datetime

import msgspec

from penstock.builds.types import Release
from penstock.runs.types import Run

_DIGEST = re.compile(rb"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")


def names_in(data: bytes) -> set[str]:
    """Everything in some bytes that could be a digest: rather too much is kept than too little."""
    return {found.decode() for found in _DIGEST.findall(data)}


def reachable(nouns: Iterable[msgspec.Struct], inside: Callable[[str], bytes]) -> set[str]:
    """The digests that nouns name, and those that are named by what lies under these.

    `inside` gives the bytes of a blob that may name others, nothing for any other.
    """
    found: set[str] = set()
    fresh = set().union(*(names_in(msgspec.json.encode(noun)) for noun in nouns))
    while fresh:
        found |= fresh
        fresh = set().union(*(names_in(inside(digest)) for digest in fresh)) - found
    return found


def kept_runs(runs: Iterable[Run], since: datetime, protected: Container[str] = ()) -> list[Run]:
    """The runs whose data are needed, given all in the order in which they were submitted.

    Those that are under way with all of their projects, since they may take any earlier result; those
    that ended after `since`, or are `protected`; and of each pipeline the last that succeeded in an
    environment. What clients stored with a run nobody can make again: that is kept until it is deleted.
    """
    all_runs = list(runs)
    runs = [run for run in all_runs if not run.told]
    busy = {run.project for run in runs if run.finished is None}
    last = {(run.project, run.pipeline, run.environment): run.id for run in runs if run.status == "succeeded"}
    newest = set(last.values())
    return [
        run
        for run in all_runs
        if (
            not_gone(run.deleted, since)
            if run.told
            else run.finished is None
            or run.finished >= since
            or run.project in busy
            or run.id in newest
            or run.id in protected
        )
    ]


def not_gone(deleted: datetime | None, since: datetime) -> bool:
    """Whether something that a client may delete is there, or was until lately."""
    return deleted is None or deleted >= since


def kept_releases(
    releases: Iterable[Release], deployed: set[str], runs: Iterable[Run], since: datetime
) -> list[Release]:
    """The releases whose code and environment are needed on the disk; those of others are made again."""
    used = deployed | {run.release for run in runs}
    return [release for release in releases if release.id in used or release.created >= since]


def unneeded(there: Mapping[str, int], needed: set[str]) -> dict[str, int]:
    """What is there and not needed, with its size."""
    return {name: size for name, size in there.items() if name not in needed}
