"""The verbs of test and build: queue, start, record; a green build becomes a release."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import get_args

from msgspec.structs import replace

from penstock.builds.decide import orphans, passed_over, pause, ready, unbuilt
from penstock.builds.ports import Builder
from penstock.builds.releasing import described, record_release
from penstock.builds.types import Build, BuildStatus, Built, Release
from penstock.core.clock import Clock, SystemClock
from penstock.core.events import Event
from penstock.lineage.ports import Blobs, Reader, Store, Transaction
from penstock.lineage.types import Lease
from penstock.revisions.decide import SHOWN as SHOWN_DIGITS
from penstock.revisions.record import supersede
from penstock.revisions.statuses import tell
from penstock.revisions.types import Branch, Project, State

LEASE = timedelta(seconds=60)
"""How long a claim holds without a tick; an answer to an older claim is refused by its token."""
SHOWN = timedelta(seconds=0.5)
"""How often the tests of a running build are written down at most."""
_MACHINE = SystemClock()
_ASKED_FOR = tuple(status for status in get_args(BuildStatus) if status != "superseded")


class Builds:
    """Builds the newest commit of every branch, each commit once."""

    def __init__(
        self,
        store: Store,
        blobs: Blobs,
        builder: Builder,
        *,
        machine: Clock = _MACHINE,
        each: Callable[[str, str], bool] = lambda _project, _commit: False,
    ) -> None:
        """`machine` is the clock by which leases run out; `each` tells whether a project, at a commit, wants
        every commit of a branch built and not the newest alone.
        """
        self._each = each
        self._store = store
        self._blobs = blobs
        self._builder = builder
        self._machine = machine
        self._owner = secrets.token_hex(8)
        self._shown = machine.now()
        self._answers: list[Built] = []

    def tick(self, now: datetime) -> bool:
        """Record what ended, queue what was pushed, keep claims alive, start what waits."""
        self._answers += self._builder.finished()
        recorded = False
        while self._answers:  # one that cannot be written down now, as on a full disk, is not lost
            recorded |= self._record(self._answers[0], now)
            del self._answers[0]
        return any([recorded, self._queue(now), self._keep(), self._start(now)])

    def recover(self) -> None:
        """Put every build that ran when the system died back into the queue."""
        with self._store.begin() as tx:
            alive = self._builder.stages()
            _requeue(tx, [b for b in tx.find(Build, status="running") if b.id not in alive])

    def _record(self, built: Built, now: datetime) -> bool:
        with self._store.read() as reader:
            build = reader.get(Build, built.build)
        outputs = () if built.error else described(self._blobs, build, built, now)
        release = "".join(output.digest for output in outputs if output.name == "manifest")
        with self._store.begin() as tx:
            build = tx.get(Build, built.build)
            if build.status != "running" or build.token != built.token:
                return False
            if built.broken and (wait := pause(build.broken + 1)):
                _begin_later(tx, build, built, self._machine.now() + wait, now)
                return True
            status = ("error" if built.broken else "failed") if built.error else "passed"
            [event] = tx.publish(
                Event(
                    kind=f"build.{status}",
                    subject=f"build:{build.id}",
                    time=now,
                    project=build.project,
                    evidence={"tests": len(built.tests), "error": built.error},
                    cause=build.event,
                )
            )
            build = replace(
                build,
                status=status,
                finished=now,
                stage="",
                tests=built.tests,
                release=release,
                error=built.error,
                lease=None,
                event=event,
                junit=built.junit,
                coverage=built.coverage,
                broken=build.broken + built.broken,
            )
            tx.put(build)
            _tell_ended(tx, build)
            if release and not tx.find(Release, id=release):
                record_release(tx, release, build, built, outputs)
        return True

    def _queue(self, now: datetime) -> bool:
        with self._store.read() as reader:
            over = self._passed_over(reader)
            if not over and not _waiting(reader):
                return False
        with self._store.begin() as tx:
            for build, head in over:
                if tx.get(Build, build.id) == build:
                    _supersede(tx, build, head, now)
            for branch in _waiting(tx):
                again = tx.find(Build, project=branch.project, commit=branch.commit)  # it was superseded
                key = again[0].id if again else tx.mint(Build)
                [event] = tx.publish(
                    Event(
                        kind="build.queued",
                        subject=f"build:{key}",
                        time=now,
                        project=branch.project,
                        evidence={"commit": branch.commit, "branch": branch.name},
                        cause=branch.event,
                    )
                )
                build = Build(
                    id=key,
                    project=branch.project,
                    commit=branch.commit,
                    branch=branch.name,
                    created=now,
                    log=f"logs/builds/{key}.log",
                    cause=branch.event,
                    event=event,
                    folder="".join(project.folder for project in tx.find(Project, id=branch.project)),
                )
                (tx.put if again else tx.add)(build)
                path = f"/builds/{key}"
                tell(tx, branch.project, branch.commit, state="pending", description="queued", path=path)
        return True

    def _passed_over(self, reader: Reader) -> list[tuple[Build, Branch]]:
        found = passed_over(reader.find(Build, status="queued"), reader.find(Branch, deleted=None))
        return [(build, head) for build, head in found if not self._each(head.project, head.commit)]

    def _keep(self) -> bool:
        """Show how far builds have come here and renew their leases; free what nobody works on any more."""
        machine = self._machine.now()
        stages, tests = self._builder.stages(), {}
        if machine - self._shown >= SHOWN:
            self._shown, tests = machine, self._builder.tests()
        with self._store.read() as reader:
            running = reader.find(Build, status="running")
            here = {build.id for build in running}
            unwanted = [b for key in stages if key not in here for b in reader.find(Build, id=key)]
        for build in unwanted:  # somebody cancelled it
            self._builder.cancel(build)
        changed = {}
        for build in running:
            if build.id in stages:
                shown = replace(build, stage=stages[build.id], tests=tests.get(build.id, build.tests))
                if shown != build or _ends_soon(build.lease, machine):
                    lease = Lease(owner=self._owner, token=build.token, until=machine + LEASE)
                    changed[build.id] = (build, replace(shown, lease=lease))
        lost = orphans(running, stages, machine)
        if not lost and not changed:
            return False
        with self._store.begin() as tx:
            _requeue(tx, orphans(tx.find(Build, status="running"), stages, machine))
            tx.put(*(shown for key, (before, shown) in changed.items() if tx.get(Build, key) == before))
        return bool(lost)

    def _start(self, now: datetime) -> bool:
        free = self._builder.free()
        if free <= 0:
            return False
        with self._store.read() as reader:
            if not self._ready(reader):
                return False
        claimed = []
        with self._store.begin() as tx:
            for build in self._ready(tx)[:free]:
                token = build.token + 1
                lease = Lease(owner=self._owner, token=token, until=self._machine.now() + LEASE)
                claimed.append(
                    replace(
                        build,
                        status="running",
                        started=now,
                        token=token,
                        lease=lease,
                        error="",
                        not_before=None,
                    )
                )
            tx.put(*claimed)
            roots = {project.id: project.data_root for project in tx.find(Project)}
        for build in claimed:
            self._builder.start(build, roots.get(build.project, ""))
        return bool(claimed)

    def _ready(self, reader: Reader) -> list[Build]:
        return ready(reader.find(Build, status="queued"), self._builder.stages(), self._machine.now())


def _waiting(reader: Reader) -> list[Branch]:
    branches = reader.find(Branch, deleted=None)
    built = {
        (branch.project, branch.commit)
        for branch in branches
        if reader.count(Build, project=branch.project, commit=branch.commit, status=_ASKED_FOR)
    }
    return unbuilt(branches, built)


def _supersede(tx: Transaction, build: Build, head: Branch, now: datetime) -> None:
    said = f"superseded by {head.commit[:SHOWN_DIGITS]}"
    [event] = tx.publish(
        Event(
            kind="build.superseded",
            subject=f"build:{build.id}",
            time=now,
            project=build.project,
            evidence={"commit": head.commit},
            cause=head.event,
        )
    )
    tx.put(replace(build, status="superseded", finished=now, error=said, event=event))
    supersede(tx, build.project, build.commit, head.commit)
    tell(tx, build.project, build.commit, state="failure", description=said, path=f"/builds/{build.id}")


def _requeue(tx: Transaction, builds: list[Build]) -> None:
    tx.put(
        *(replace(build, status="queued", started=None, stage="", tests=(), lease=None) for build in builds)
    )


def _begin_later(tx: Transaction, build: Build, built: Built, when: datetime, now: datetime) -> None:
    [event] = tx.publish(
        Event(
            kind="build.broken",
            subject=f"build:{build.id}",
            time=now,
            project=build.project,
            evidence={"error": built.error, "until": when.isoformat()},
            cause=build.event,
        )
    )
    _requeue(tx, [replace(build, broken=build.broken + 1, not_before=when, error=built.error, event=event)])


def _tell_ended(tx: Transaction, build: Build) -> None:
    state: State = "failure" if build.error else "success"
    said = build.error or f"{len(build.tests)} tests passed"
    tell(tx, build.project, build.commit, state=state, description=said, path=f"/builds/{build.id}")


def _ends_soon(lease: Lease | None, now: datetime) -> bool:
    return lease is None or lease.until - now < LEASE / 2
