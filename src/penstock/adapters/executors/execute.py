"""One attempt at a task in this process: what it gives, raises, measures and draws."""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec.structs import replace

from penstock.adapters.executors.perform import Measured, prepare
from penstock.adapters.executors.steplog import StepLog
from penstock.adapters.executors.usage import cpu_seconds
from penstock.adapters.tracking.step import tracking
from penstock.core.errors import PenstockError, names_of
from penstock.lineage.ports import Blobs
from penstock.pipelines.log import Entry, log
from penstock.runs.types import Artifact, Outcome, Task


def execute(
    task: Task,
    blobs: Blobs,
    step_log: StepLog,
    *,
    begun: Callable[[], None] = lambda: None,
    through: tuple[type[BaseException], ...] = (),
) -> Outcome:
    """Import the code of a task and do its work; whatever it raises is its outcome.

    `begun` is called between the two; what is named in `through` is not caught.
    """
    outcome = Outcome(step_run=task.step_run, token=task.token)
    known = len(sys.modules)
    began, used = time.perf_counter(), cpu_seconds()
    figures: dict[str, Artifact] = {}
    files: dict[str, Artifact] = {}

    def keep(entry: Entry) -> None:
        if entry.kind == "figure":
            figures[entry.name] = _keep_figure(entry, blobs, step_log)
        elif entry.kind == "file":
            files[entry.name] = _keep_file(entry, blobs, step_log)
        else:
            step_log.entry(entry)

    with log.to(keep), _given(task.secrets):
        try:
            work = prepare(task, blobs)
            begun()
            if len(sys.modules) > known:  # to import is no part of the work
                began, used = time.perf_counter(), cpu_seconds()
            with tracking():
                outputs, measured = work()
            outcome = replace(outcome, outputs=outputs, metrics=_in_order(step_log.measured, measured))
        except through:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever a step raises, SystemExit included, is its outcome
            step_log.write("stderr", traceback.format_exc())
            sentence = step_log.masked(_sentence(error, Path(task.workspace.folder).resolve()))
            outcome = replace(outcome, error=sentence, raised=names_of(error))
    seconds, cpu = time.perf_counter() - began, cpu_seconds() - used
    return replace(outcome, seconds=seconds, cpu=cpu, figures=figures, files=files)


@contextmanager
def _given(secrets: dict[str, str]) -> Iterator[None]:
    """Let secrets be environment variables until the block ends, also of processes that a step starts."""
    before = {name: os.environ.get(name) for name in secrets}
    os.environ.update(secrets)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def _keep_figure(entry: Entry, blobs: Blobs, step_log: StepLog) -> Artifact:
    digest, size = blobs.put(entry.data), len(entry.data)
    step_log.write("figure", f"{entry.name}: {entry.value}, {size} bytes", name=entry.name, digest=digest)
    return Artifact(digest=digest, format="bytes", size=size, meta={"media": entry.value})


def _keep_file(entry: Entry, blobs: Blobs, step_log: StepLog) -> Artifact:
    path = str(entry.value)
    digest = blobs.put_file(path) if path else blobs.put(entry.data)
    size = Path(path).stat().st_size if path else len(entry.data)
    step_log.write("file", f"{entry.name}: {size} bytes", name=entry.name, digest=digest)
    return Artifact(digest=digest, format="bytes", size=size)


def _sentence(error: BaseException, folder: Path) -> str:
    """What was raised and, where it passed through the project's code, the last line there."""
    if isinstance(error, PenstockError):
        return str(error)
    text = "".join(traceback.format_exception_only(error)).strip().splitlines()[0]
    frames = [f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).is_relative_to(folder)]
    place = f" ({Path(frames[-1].filename).relative_to(folder)}, line {frames[-1].lineno})" if frames else ""
    return text + place


def _in_order(logged: Measured, returned: Measured) -> tuple[tuple[str, float, int], ...]:
    """All that was measured: what a step returned stands behind what it logged under the same name."""
    after = {name: index + 1 for name, _, index in sorted(logged, key=lambda each: each[2])}
    return (*logged, *((name, value, after.get(name, index)) for name, value, index in returned))
