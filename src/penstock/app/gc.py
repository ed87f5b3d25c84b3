"""Removing what nothing names any more: blobs, environments, code and logs."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import timedelta
from itertools import islice
from pathlib import Path

import msgspec

from penstock.adapters.builders.own_wheel import own_wheel
from penstock.app.apart import served_apart
from penstock.app.reach import kept_releases, kept_runs, not_gone, reachable, unneeded
from penstock.app.wiring import App
from penstock.builds.types import Build, Release
from penstock.core.digests import digest_bytes
from penstock.core.errors import Corrupt, NotFound
from penstock.datasets.types import Snapshot
from penstock.deployments.types import Deployment
from penstock.lineage.ports import Between, Reader
from penstock.lineage.types import Attachment
from penstock.models.logged import LoggedModel, subject
from penstock.models.types import Protection, Version
from penstock.runs.types import Run, StepRun

KEEP = timedelta(days=30)
"""For how long, by the home's time, the data of a run that made no version are kept."""
GRACE = 3600.0
"""Seconds within which stored bytes are never removed: whoever stored them may not have told of them yet."""
BATCH = 100
"""Blobs removed at a time, while nobody can begin a run."""
ASIDE = ".gone-"
SMALL = 16 << 20
"""Bytes of a blob that may name others: such are lists and manifests in JSON."""


class Waste(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of what can be removed: how many, and their bytes."""

    what: str
    count: int
    bytes: int


class Needed(msgspec.Struct, frozen=True):
    """What is needed of a home, and the runs that were under way when that was found out."""

    blobs: set[str]
    folders: set[str]
    runs: set[str]
    build_logs: set[str]
    under_way: set[str]
    building: bool


class Gc:
    """Finds what nothing names, and removes it; interrupted at any point, it can simply be begun again."""

    def __init__(self, app: App, *, keep: timedelta = KEEP, grace: float = GRACE) -> None:
        self._app = app
        self._since = app.clock.now() - keep
        self._grace = grace

    def plan(self) -> list[Waste]:
        """What would be removed."""
        needed = self._needed()
        blobs = unneeded(self._app.blobs.digests(self._grace), needed.blobs)
        return [
            _waste("blobs", blobs),
            *(_waste(name, found) for name, found in self._folders(needed).items()),
        ]

    def sweep(self) -> list[Waste]:
        """Remove it; gives what was removed."""
        self._finish()
        removed: dict[str, int] = {}
        needed = self._needed()
        waiting = iter(unneeded(self._app.blobs.digests(self._grace), needed.blobs).items())
        while batch := dict(islice(waiting, BATCH)):
            with self._app.store.begin() as tx:  # nobody begins a run meanwhile
                if _under_way(tx) - needed.under_way:
                    needed = self._needed(tx)
                unneeded_still = unneeded(batch, needed.blobs)
                removed |= {d: size for d, size in unneeded_still.items() if self._delete(d)}
        folders = self._folders(self._needed())
        for name, found in folders.items():
            for folder in found:
                _remove(self._app.home.folder / name / folder)
        return [_waste("blobs", removed), *(_waste(name, found) for name, found in folders.items())]

    def _needed(self, reader: Reader | None = None) -> Needed:
        if reader is None:
            with self._app.store.read() as own:
                return self._needed(own)
        runs = kept_runs(reader.find(Run), self._since, _protected(reader))
        releases = reader.find(Release)
        deployed = {deployment.release for deployment in reader.find(Deployment, active=True)}
        recent = reader.find(Snapshot, as_of=Between(self._since))
        nouns = [*runs, *self._steps(reader, runs), *recent, *self._uploaded(reader, runs)]
        here = kept_releases(releases, deployed, runs, self._since)
        return Needed(
            blobs=reachable([*nouns, *releases, *reader.find(Build)], self._small(self._app.blobs.digests())),
            folders=reachable([*runs, *here, *served_apart(reader)], lambda _: b""),
            runs={run.id for run in runs},
            build_logs={
                Path(build.log).name
                for build in reader.find(Build)
                if build.finished is None
                or build.finished >= self._since
                or build.release in {release.id for release in here}
            },
            under_way=_under_way(reader),
            building=bool(reader.count(Build, status=("queued", "running"))),
        )

    def _uploaded(self, reader: Reader, runs: list[Run]) -> Iterator[Attachment | Version]:
        """Versions, and the files that clients stored, but for what they have taken back."""
        owners = {f"run:{run.id}" for run in runs} | {
            subject(model.id) for model in reader.find(LoggedModel) if not_gone(model.deleted, self._since)
        }
        yield from (file for file in reader.find(Attachment) if file.subject in owners)
        yield from (v for v in reader.find(Version) if not_gone(v.withdrawn, self._since))

    def _delete(self, digest: str) -> bool:
        return self._app.blobs.delete(digest, self._grace)

    def _finish(self) -> None:
        """Remove what an earlier sweep that was killed had moved aside."""
        for name in ("envs", "code", "wheels", "logs/runs", "logs/builds"):
            for aside in (self._app.home.folder / name).glob(f"{ASIDE}*"):
                _delete(aside)

    def _steps(self, reader: Reader, runs: list[Run]) -> Iterator[StepRun]:
        for run in runs:
            yield from reader.find(StepRun, run=run.id)

    def _small(self, sizes: Mapping[str, int]) -> Callable[[str], bytes]:
        """Gives the bytes of a blob that is small and JSON, and none for any other."""

        def inside(digest: str) -> bytes:
            if not 0 < sizes.get(digest, 0) <= SMALL:
                return b""
            with suppress(NotFound, Corrupt):
                data = self._app.blobs.get(digest)
                return data if data[:1] in {b"{", b"["} else b""
            return b""

        return inside

    def _folders(self, needed: Needed) -> dict[str, dict[str, int]]:
        """Environments and code of releases that nothing needs, and wheels of other versions of Penstock,
        unless builds are under way; old logs.

        The log of a build is needed while its release is.
        """
        home = self._app.home.folder
        releases = ("envs", "code") if not needed.building else ()
        found = {name: unneeded(_old(home / name, self._grace), needed.folders) for name in releases}
        if releases:
            found["wheels"] = unneeded(_old(home / "wheels", self._grace), {digest_bytes(own_wheel()[1])})
        for name, kept in (("logs/runs", needed.runs), ("logs/builds", needed.build_logs)):
            found[name] = unneeded(_old(home / name, self._grace), kept)
        return found


def _protected(reader: Reader) -> set[str]:
    """The runs that made a version which somebody protected."""
    kept = tuple(version for (version,) in reader.pick(Protection, ("id",), ended=None))
    return {run for (run,) in reader.pick(Version, ("run",), id=kept)}


def _under_way(reader: Reader) -> set[str]:
    return {run.id for run in reader.find(Run, status=("queued", "running"))}


def _waste(what: str, found: Mapping[str, int]) -> Waste:
    return Waste(what=what, count=len(found), bytes=sum(found.values()))


def _old(folder: Path, grace: float) -> dict[str, int]:
    """What lies in a folder and was not changed lately, with the bytes that removing it frees."""
    before = time.time() - grace
    found: dict[str, int] = {}
    for entry in folder.glob("*"):
        with suppress(FileNotFoundError):
            if not entry.name.startswith(".") and entry.stat().st_mtime <= before:
                found[entry.name] = sum(_freed(file) for file in (entry, *entry.rglob("*")))
    return found


def _freed(file: Path) -> int:
    stat = file.lstat()
    return stat.st_size // max(stat.st_nlink, 1) if not file.is_dir() else 0


def _remove(folder: Path) -> None:
    """Move a folder or file aside and remove it there: nobody ever finds half of it."""
    aside = folder.with_name(f"{ASIDE}{folder.name}")
    with suppress(FileNotFoundError):
        folder.rename(aside)
    _delete(aside)


def _delete(aside: Path) -> None:
    if aside.is_dir():
        shutil.rmtree(aside, ignore_errors=True)
    else:
        aside.unlink(missing_ok=True)
