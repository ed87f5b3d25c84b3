"""The side of a node: a task is run by a worker process of its own environment, as everywhere else.

A process of Ray holds a pool of one worker, which ends with it: whatever ends a task of Ray also ends the
step and all that it has started.
"""

from __future__ import annotations

import fcntl
import logging
import os
import socket
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import ray
from msgspec.structs import replace

from penstock.adapters.blobs.folder import FolderBlobs
from penstock.adapters.builders.checkouts import Checkout
from penstock.adapters.builders.environments import Environments
from penstock.adapters.builders.own_wheel import own_wheel
from penstock.adapters.builders.packages import Packages
from penstock.adapters.builders.processes import Processes
from penstock.adapters.executors.pool import WorkerPool
from penstock.adapters.executors.protocol import Done
from penstock.adapters.executors.ray.code import unpack
from penstock.adapters.executors.ray.messages import Order, Said, decode_order, encode
from penstock.adapters.executors.steplog import log_file
from penstock.core.digests import digest_bytes
from penstock.core.errors import InvalidProject, PenstockError, Unavailable
from penstock.revisions.locks import LOCK, PROJECT
from penstock.runs.types import Outcome, Task, Workspace

SLICE = 0.05
"""Seconds between looks at what a step has said."""
DEBUGGER = "PYTHONBREAKPOINT"
"""Ray has one of its own; `breakpoint()` in a step does what it does in every worker."""
_log = logging.getLogger(__name__)
_pools: dict[tuple[str, tuple[tuple[str, str], ...]], tuple[WorkerPool, Path]] = {}


def carry_out(order: bytes, archive: Sequence[ray.ObjectRef[bytes]]) -> Iterator[bytes]:
    """Run a task, telling what it says while it runs and then what became of it.

    `archive` holds the packed code, fetched only if it is not here yet.
    """
    wanted = decode_order(order)
    task = wanted.task
    try:
        pool, logs = _pool(wanted.blobs)
        _check(wanted)
        task = replace(task, workspace=_workspace(wanted, archive))
        yield from _done(pool, logs, task)
    except (PenstockError, OSError) as error:
        sentence = f"{str(error).rstrip('.')} (on the node {socket.gethostname()})"
        yield encode(Done(Outcome(step_run=task.step_run, token=task.token, error=sentence)))


def _done(pool: WorkerPool, logs: Path, task: Task) -> Iterator[bytes]:
    file = log_file(logs, task.step_run)
    told = 0
    outcomes: Sequence[Outcome] = ()
    pool.start(task)
    while not outcomes:
        outcomes = pool.finished(SLICE)
        if lines := _lines(file, told):
            told += len(lines)
            yield encode(Said(lines))
    file.unlink(missing_ok=True)
    yield encode(Done(outcomes[0]))


def _lines(file: Path, told: int) -> bytes:
    """The whole lines of a log after so many bytes."""
    try:
        with file.open("rb") as written:
            written.seek(told)
            new = written.read()
    except FileNotFoundError:
        return b""
    return new[: new.rfind(b"\n") + 1]


def _pool(blobs: str) -> tuple[WorkerPool, Path]:
    """The pool of this process, a new one when Ray gives it other GPUs or threads than before."""
    os.environ.pop(DEBUGGER, None)
    key = blobs, tuple(sorted(os.environ.items()))
    if key not in _pools:
        for pool, _ in _pools.values():
            pool.close()
        _pools.clear()
        logs = Path(tempfile.mkdtemp(prefix="penstock-node-"))
        _pools[key] = WorkerPool(size=1, logs=logs, blobs=Path(blobs)), logs
    return _pools[key]


def _check(wanted: Order) -> None:
    """Raises Unavailable for a node that is not set up as it must be."""
    here = socket.gethostname()
    if digest_bytes(own_wheel()[1]) != wanted.penstock:
        raise Unavailable(
            what=f"The node {here} has another Penstock than the machine that sends it steps.",
            fix="Install the same version into the environment of Ray there.",
        )
    if not FolderBlobs(Path(wanted.blobs)).has(wanted.mark):
        raise Unavailable(
            what=f"The node {here} does not see the blobs in {wanted.blobs}.",
            fix="Mount that folder there under the same path.",
        )
    task = wanted.task
    if task.node.kind == "snapshot" and not Path(task.workspace.data_root).is_dir():
        raise Unavailable(
            what=f"The node {here} does not see the data in {task.workspace.data_root}.",
            fix="Mount that folder there under the same path.",
        )


def _workspace(wanted: Order, archive: Sequence[ray.ObjectRef[bytes]]) -> Workspace:
    """The workspace of a task on this node: its code and its environment, each made once."""
    place = cache()
    folder = place / "code" / wanted.code
    if not folder.is_dir():
        unpack(ray.get(archive[0]), folder)
    python = sys.executable
    if (folder / LOCK).exists() and (folder / PROJECT).exists():
        environments, checkout = Environments(place / "envs", Packages(Processes())), Checkout(folder, folder)
        try:
            found = environments.python(environments.digest(checkout))
        except ValueError as error:  # of TOML
            raise InvalidProject(
                what=f"The environment cannot be made from {LOCK}", found=str(error)
            ) from error
        if not found.exists():
            with _alone(place):
                environments.make(checkout, place / "environments.log", _log.info)
        python = str(found)
    elif wanted.task.workspace.lock:
        raise InvalidProject(
            what="This project's lock is that of the workspace around it, which does not travel to a node.",
            fix="Run it on this machine, or take it out of the workspace and give it a lock of its own.",
        )
    return replace(wanted.task.workspace, folder=str(folder), python=python)


def cache() -> Path:
    """Where a node keeps code and environments; it may be deleted whenever no step runs."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "penstock"


@contextmanager
def _alone(place: Path) -> Iterator[None]:
    """One process of this node at a time."""
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
