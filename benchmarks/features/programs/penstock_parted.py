"""Training rows of three views, at once or in partitions: `penstock_parted.py FOLDER PARTITIONS`.

A run of a project in the folder, with an empty cache, whose steps follow each other in this process. Told are
the most memory that it held beside what it has mapped, and the time of the processor.
"""

from __future__ import annotations

import json
import resource
import shutil
import sys
import threading
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

from penstock.app.local import run_target
from penstock.app.workbench import open_workbench

PIPELINE = """
import polars as pl
from penstock import files, pipeline, step, training_rows
from penstock_views import TIME, VIEWS

orders = files("spine.parquet", event_time=TIME, key="row")

@step
def count(rows: pl.LazyFrame) -> int:
    return rows.select(pl.len()).collect().item()

@pipeline
def train():
    return count(training_rows(orders, VIEWS, label="entity", holdout="20%", partitions={partitions}).train)
"""
EVERY = 0.01
"""Seconds between two looks."""


class Held:
    """The most memory of this process beside files that are mapped, in megabytes, looked at every 10 ms: the
    system's own peak is that since the last step began, for which it was reset.
    """

    def __init__(self) -> None:
        self.most = 0.0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._end.wait(EVERY):
            lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
            now = next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1e3
            self.most = max(self.most, now)


if __name__ == "__main__":
    here, parts = Path(sys.argv[1]), int(sys.argv[2])
    shutil.copy(Path(__file__).with_name("penstock_views.py"), here)
    module = f"parted_in_{parts}"
    (here / f"{module}.py").write_text(PIPELINE.format(partitions=parts), encoding="utf-8")
    with (
        TemporaryDirectory(dir=here) as home,
        open_workbench(Path(home), on="inline") as bench,
        Held() as held,
    ):
        run = run_target(bench, f"{module}:train", here, {}, lambda *_: None)
        if run.status != "succeeded":
            sys.exit(run.error)
        rows = next(step for step in bench.runs.seen(run.id)[1] if step.name == "rows").outputs
    used = resource.getrusage(resource.RUSAGE_SELF)
    told = {"seconds": used.ru_utime + used.ru_stime, "peak": held.most, "rows": rows["train"].meta["rows"]}
    print(json.dumps(told))
