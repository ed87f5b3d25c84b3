"""Nouns of test and build."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec

from penstock.lineage.types import Lease
from penstock.pipelines.types import Graph

OutputName = Literal["wheel", "lock", "requirements", "executable", "image", "sbom", "manifest", "provenance"]
"""What can be had of a release. `lock` is the project's own, `requirements` the same for any installer."""

BuildStatus = Literal["queued", "running", "passed", "failed", "error", "cancelled", "superseded"]
"""`failed` is red by the project's fault; `error` is when the machine, network or index failed each time;
`superseded` is one that was not begun before its branch moved on."""


class TestCase(msgspec.Struct, frozen=True, kw_only=True):
    """One test of a build's report.

    `suite` says what it asks: `files` are complete and right, the `project`'s own tests,
    the `graph` of its pipelines can be drawn, the `automatic` tests hold of them on a sample of rows,
    the tests' `coverage` of modules with feature views is enough,
    the `package` can be made. `waived` is one that failed and may, for the reason in its message.
    """

    __test__ = False

    name: str
    suite: str
    outcome: Literal["running", "passed", "failed", "skipped", "error", "waived"]
    seconds: float = 0.0
    message: str = ""


class ModuleCoverage(msgspec.Struct, frozen=True, kw_only=True):
    """What the project's tests run of a module: `percent` of its `lines`, without those that are `missing`.

    `file` is in the project's folder, `missing` such as `3, 7-9`; `features` that it holds feature views.
    """

    file: str
    percent: int
    lines: int
    missing: str = ""
    features: bool = False


class Build(msgspec.Struct, frozen=True, kw_only=True):
    """One test-and-package attempt of a revision. `id` is a number, `log` a file under the home.

    `folder` is where the project lies in its repository, empty where it is the whole.
    `stage` says what is being done while it runs; `cause` is the event that asked for it,
    `event` the last that tells of it. `broken` counts the attempts that the machine, the network or the
    package index broke off, `not_before` is the machine's time before which it is not begun again. `junit` is
    the digest of pytest's own report (JUnit XML), empty where there is none; `coverage` what the tests run.
    """

    id: str
    project: str
    commit: str
    branch: str
    created: datetime
    status: BuildStatus = "queued"
    started: datetime | None = None
    finished: datetime | None = None
    stage: str = ""
    tests: tuple[TestCase, ...] = ()
    release: str = ""
    error: str = ""
    log: str = ""
    lease: Lease | None = None
    token: int = 0
    cause: int = 0
    event: int = 0
    folder: str = ""
    junit: str = ""
    broken: int = 0
    not_before: datetime | None = None
    coverage: tuple[ModuleCoverage, ...] = ()


class Output(msgspec.Struct, frozen=True, kw_only=True):
    """A thing that a release consists of, for use outside of Penstock.

    `file` is its usual name (of an image, its reference), `digest` and `size` (in bytes) are those of the
    whole. Its bytes are those of the blobs `parts`, one after the other, so that releases share what they
    have in common; an image lies in a registry or the container builder's own store and has no parts.
    """

    name: OutputName
    file: str
    digest: str
    size: int = 0
    parts: tuple[str, ...] = ()


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """What a green build makes. `id` is the digest of its manifest; `number` counts them per project.

    `wheel`, `lock` and `config` are digests in the blob store (`config` is the `penstock.toml`);
    `environment` is the digest that names the release's virtual environment; `folder` is where the
    project lies in the commit; `waived` are the automatic tests that failed and
    were waived; `outputs` are all that can be had of it.
    """

    id: str
    number: int
    project: str
    commit: str
    build: str
    created: datetime
    wheel: str
    lock: str
    config: str
    environment: str
    graphs: tuple[Graph, ...]
    event: int
    folder: str = ""
    waived: tuple[TestCase, ...] = ()
    outputs: tuple[Output, ...] = ()


class Built(msgspec.Struct, frozen=True, kw_only=True):
    """What the builder hands back. `error` is one sentence, empty when the build is green.

    It is `broken` when the error is not the project's.
    `materials` are what went into the outputs from outside of the commit, as in-toto describes them.
    """

    build: str
    token: int
    tests: tuple[TestCase, ...] = ()
    error: str = ""
    wheel: str = ""
    lock: str = ""
    config: str = ""
    environment: str = ""
    graphs: tuple[Graph, ...] = ()
    outputs: tuple[Output, ...] = ()
    materials: tuple[dict[str, Any], ...] = ()
    junit: str = ""
    coverage: tuple[ModuleCoverage, ...] = ()
    broken: bool = False
