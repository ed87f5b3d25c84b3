"""Labelled answers, brought to runs that train on them: workers see neither the store nor the log."""

from __future__ import annotations

from penstock.adapters.predictor.past import JsonlPredictionLog
from penstock.app.workbench import Workbench
from penstock.datasets.types import Source
from penstock.monitoring.logged import labelled_answers
from penstock.runs.types import Run


def keep_answers(bench: Workbench, source: Source, run: Run) -> str:
    """See `runs.ports.Logged`. Raises NotFound and InvalidValue as `labelled_answers`."""
    log = JsonlPredictionLog(bench.home.predictions)
    with bench.store.read() as reader:
        rows = labelled_answers(reader, log, source, run)
    with bench.blobs.writing() as file:
        rows.write_parquet(file)  # type: ignore[arg-type]  # all that is asked of a file is to write
    return file.digest
