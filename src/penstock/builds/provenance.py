"""Where the outputs of a release come from, as a statement that other tools read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from penstock.builds.types import Build, Built, Output

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "urn:penstock:build:1"
"""What `externalParameters` and `internalParameters` mean: see docs/releases.md."""


def provenance(
    build: Build, built: Built, outputs: Sequence[Output], *, version: str, finished: datetime
) -> dict[str, Any]:
    """The in-toto statement (v1) with the SLSA provenance predicate (v1) of a green build.

    `outputs` are what it is about, `version` is that of the Penstock which built them.
    """
    builder = f"pkg:pypi/penstock@{version}"
    source = {
        "uri": f"urn:penstock:project:{build.project}",
        "digest": {"gitCommit": build.commit},
        "name": "source",
    }
    return {
        "_type": STATEMENT,
        "subject": [{"name": output.file, "digest": {"sha256": output.digest}} for output in outputs],
        "predicateType": PREDICATE,
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {
                    "project": build.project,
                    "branch": build.branch,
                    "commit": build.commit,
                    "folder": build.folder,
                },
                "internalParameters": {"environment": built.environment},
                "resolvedDependencies": [source, *built.materials],
            },
            "runDetails": {
                "builder": {"id": builder, "version": {"penstock": version}},
                "metadata": {
                    "invocationId": f"build:{build.id}",
                    "startedOn": _moment(build.started or build.created),
                    "finishedOn": _moment(finished),
                },
            },
        },
    }


def _moment(time: datetime) -> str:
    return time.isoformat().replace("+00:00", "Z")
