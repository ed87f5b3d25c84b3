"""A green build becomes a release: what describes it, and its record."""

from __future__ import annotations

from datetime import datetime
from importlib.metadata import version

from penstock.builds.decide import manifest
from penstock.builds.provenance import provenance
from penstock.builds.types import Build, Built, Output, OutputName, Release
from penstock.core.digests import canonical
from penstock.core.events import Event
from penstock.lineage.ports import Blobs, Transaction


def described(blobs: Blobs, build: Build, built: Built, now: datetime) -> tuple[Output, ...]:
    """The outputs of a green build together with the two that describe them, which are stored here.

    The manifest, whose digest names the release, holds nothing of when and where it was built: building a
    commit again gives the same release. The provenance statement tells just that, of the manifest as well.
    """
    described = (*built.outputs, _stored(blobs, "manifest", "manifest.json", manifest(build, built)))
    statement = provenance(build, built, described, version=version("penstock"), finished=now)
    return (*described, _stored(blobs, "provenance", "provenance.intoto.json", statement))


def record_release(
    tx: Transaction, key: str, build: Build, built: Built, outputs: tuple[Output, ...]
) -> None:
    """Add the release named `key` of a build that has ended green, and the event that tells of it."""
    number = tx.count(Release, project=build.project) + 1
    digests = {output.name: output.digest for output in outputs}
    [event] = tx.publish(
        Event(
            kind="release.made",
            subject=f"release:{key}",
            time=build.finished or build.created,
            project=build.project,
            evidence={"number": number, "commit": build.commit, "outputs": digests},
            cause=build.event,
        )
    )
    tx.add(
        Release(
            id=key,
            number=number,
            project=build.project,
            commit=build.commit,
            build=build.id,
            created=build.finished or build.created,
            wheel=built.wheel,
            lock=built.lock,
            config=built.config,
            environment=built.environment,
            graphs=built.graphs,
            event=event,
            folder=build.folder,
            waived=tuple(test for test in built.tests if test.outcome == "waived"),
            outputs=outputs,
        )
    )


def _stored(blobs: Blobs, name: OutputName, file: str, value: object) -> Output:
    data = canonical(value)
    digest = blobs.put(data)
    return Output(name=name, file=file, digest=digest, size=len(data), parts=(digest,))
