"""Pure: versions side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from penstock.core.human import human
from penstock.models.search import Found
from penstock.runs.comparison import Row, rows_of

SECTIONS = ("about", "metrics", "slices", "data", "params", "dependencies")


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Versions side by side, a row for each thing that any of them has."""

    versions: tuple[str, ...]
    about: tuple[Row, ...]
    metrics: tuple[Row, ...]
    slices: tuple[Row, ...]
    data: tuple[Row, ...]
    params: tuple[Row, ...]
    dependencies: tuple[Row, ...]


def compare(found: Sequence[Found], slices: Sequence[Mapping[str, Any]]) -> Comparison:
    """Put versions side by side, in the order given; `slices` are what each scored on parts of the rows."""
    return Comparison(
        versions=tuple(each.version.id for each in found),
        about=rows_of([_about(each) for each in found]),
        metrics=rows_of([each.version.metrics for each in found]),
        slices=rows_of(slices),
        data=rows_of([_data(each) for each in found]),
        params=rows_of([each.version.metadata.get("params", {}) for each in found]),
        dependencies=rows_of([each.version.dependencies for each in found]),
    )


def _about(found: Found) -> dict[str, Any]:
    version = found.version
    said = {
        name: version.governance.get(name) or None
        for name in ("actor", "author", "commit", "intended_use", "risk")
    }
    return {
        "stage": found.stage,
        "roles": human(found.roles) or None,
        "added": version.added,
        "expires": version.expires,
        "run": version.run or None,
        "format": version.format,
        "bytes": version.size,
        "tags": human(found.tags) or None,
        **said,
    }


def _data(found: Found) -> dict[str, Any]:
    training, prior = found.version.training, found.version.prior
    sources = {
        snapshot["source"]: f"{snapshot['rows']} rows to {snapshot['last']} {snapshot['digest'][:12]}"
        for snapshot in training.get("snapshots", ())
    }
    views = {f"feature view {name}": code[:12] for name, code in training.get("features", {}).items()}
    columns = {f"input {column.name}": column.dtype for column in found.version.signature.inputs}
    return {
        "training rows": training.get("rows"),
        "label": found.version.label or None,
        "labels": human(prior.counts) or None,
        "label on average": prior.mean,
        **sources,
        **views,
        **columns,
    }
