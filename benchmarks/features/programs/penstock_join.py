"""Penstock's join: `penstock_join.py lay_out|layout|parquet FOLDER [RESULT]`.

`lay_out` keeps the timelines of the views as a run does, from then on `layout` joins from there; `parquet`
joins from the files of the sources. A few rows first, so that nothing is counted that is done once.
"""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path

import polars as pl
from penstock_views import TIME, VIEWS
from told import tell

from penstock.adapters.blobs.folder import FolderBlobs
from penstock.features import FeatureView, join, laying
from penstock.features.keeping import read_timeline
from penstock.features.made import Made


def views(folder: Path) -> list[FeatureView]:
    """The views whose files are there."""
    return [view for view in VIEWS if files_of(folder, view.settings.name)]


def files_of(folder: Path, name: str) -> list[Path]:
    """The files of a view: one, or one for each day."""
    return sorted([*folder.glob(f"{name}.parquet"), *folder.glob(f"{name}/*.parquet")])


def sources(folder: Path) -> dict[str, pl.LazyFrame]:
    """The rows of each source."""
    names = [view.settings.source.name for view in views(folder)]
    return {name: pl.scan_parquet(files_of(folder, name)) for name in names}


def lay_out(folder: Path, blobs: FolderBlobs) -> dict[str, str]:
    """Keep the timeline of each view; gives their digests."""
    digests = {}
    for view in views(folder):
        with blobs.writing() as file:
            laying.lay_out(Made(view, sources(folder)[view.settings.source.name]), file)
        digests[view.settings.name] = file.digest
    return digests


def from_layout(folder: Path, blobs: FolderBlobs, spine: pl.DataFrame) -> pl.DataFrame:
    """Training rows from kept timelines."""
    digests = json.loads((folder / "timelines.json").read_text(encoding="utf-8"))
    kept = {name: read_timeline(blobs.path(digest)) for name, digest in digests.items()}
    return join(spine, TIME, views(folder), {}, kept)


def from_parquet(folder: Path, spine: pl.DataFrame) -> pl.DataFrame:
    """Training rows from files."""
    return join(spine, TIME, views(folder), sources(folder))


if __name__ == "__main__":
    work, place, *kept_as = sys.argv[1:]
    here = Path(place)
    store = FolderBlobs(here / "blobs")
    if work == "lay_out":
        made = tell(partial(lay_out, here, store))
        (here / "timelines.json").write_text(json.dumps(made), encoding="utf-8")
    else:
        rows = pl.read_parquet(here / "spine.parquet")
        once = partial(from_layout, here, store) if work == "layout" else partial(from_parquet, here)
        if work == "layout":
            once(rows.head(100))
        tell(partial(once, rows)).write_parquet(kept_as[0])
