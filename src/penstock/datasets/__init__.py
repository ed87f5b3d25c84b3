"""Rows coming in: sources, snapshots, profiles, expectations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.core.lazy import lazy

__all__ = [
    "as_data",
    "delta",
    "events",
    "files",
    "merge",
    "of_project",
    "predictions",
    "profile",
    "profile_like",
    "psi",
    "read",
    "sql",
    "take_snapshot",
]

if TYPE_CHECKING:
    from penstock.datasets.declare import delta, events, files, predictions, sql
    from penstock.datasets.expectation_files import as_data, of_project
    from penstock.datasets.profiles import merge, profile, profile_like, psi
    from penstock.datasets.snapshots import read, take_snapshot
else:  # Values such as `Column` are imported where Polars is not wanted.
    __getattr__ = lazy(
        __name__,
        {
            "as_data": "penstock.datasets.expectation_files",
            "of_project": "penstock.datasets.expectation_files",
            "delta": "penstock.datasets.declare",
            "events": "penstock.datasets.declare",
            "files": "penstock.datasets.declare",
            "merge": "penstock.datasets.profiles",
            "predictions": "penstock.datasets.declare",
            "profile": "penstock.datasets.profiles",
            "profile_like": "penstock.datasets.profiles",
            "psi": "penstock.datasets.profiles",
            "read": "penstock.datasets.snapshots",
            "sql": "penstock.datasets.declare",
            "take_snapshot": "penstock.datasets.snapshots",
        },
    )
