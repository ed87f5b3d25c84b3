"""An executor on a Ray cluster: Ray says where a step runs, our worker processes there run it."""

from __future__ import annotations

import logging
import math
import os
import queue
import signal
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray
from msgspec.structs import replace
from ray.exceptions import RayError, RayTaskError

from penstock.adapters.executors.pool import WorkerPool
from penstock.adapters.executors.protocol import Done
from penstock.adapters.executors.ray.messages import Told, decode_told
from penstock.adapters.executors.ray.node import DEBUGGER, carry_out
from penstock.adapters.executors.ray.parcels import Parcels
from penstock.adapters.executors.steplog import StepLog
from penstock.core.errors import Unavailable, names_of
from penstock.pipelines.types import Graph, Options
from penstock.runs.room import Room
from penstock.runs.types import Outcome, Task, Workspace

MOST = 256
"""Steps under way at a time, each with a thread of this process behind it."""
GLANCE = 1.0
"""Seconds for which what the cluster has is taken to be what it had."""
KNOCK = 5.0
"""Seconds in which a cluster has to answer at all."""
_LEFT_TO_US = {"env_vars": {"RAY_kill_child_processes_on_worker_exit": "false"}}
"""Ray would kill a worker at once; left alone, it sees that its pool is gone and ends all that it started."""
_place = ray.remote(max_retries=0, num_returns="streaming", runtime_env=_LEFT_TO_US)(carry_out)


class RayExecutor:
    """Runs as many tasks at once as the cluster has CPUs; see `runs.ports.Executor`.

    `address` is that of the cluster, of which this machine is a node; empty for the one that runs here,
    or for a new one of this machine alone. `logs` is where the step logs go. All machines see the
    folder `blobs` under the same path. Ray never tries a task again: a lost one is put back by the
    scheduler, whose tokens refuse what comes late. Pipelines are drawn on this machine.

    Raises Unavailable when the cluster does not answer.
    """

    def __init__(self, address: str, *, logs: Path, blobs: Path) -> None:
        self._logs = logs.absolute()
        self._blobs = blobs.absolute()
        self._lock = threading.Lock()
        self._jobs: list[_Job] = []
        self._outcomes: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
        self._threads = ThreadPoolExecutor(MOST, thread_name_prefix="penstock-ray")
        self._here = WorkerPool(size=1, logs=logs, blobs=blobs)
        self._parcels = Parcels(self._blobs)
        self._connected = _connect(address)
        self._rooms: tuple[Room, ...] = ()
        self._looked = -math.inf

    def free(self) -> int:
        """See `Executor.free`."""
        slots = min(MOST, max(2, int(sum(room.cpus for room in self.rooms()))))
        with self._lock:
            return slots - len(self._jobs)

    def rooms(self) -> Sequence[Room]:
        """See `Executor.rooms`: the nodes of the cluster that live."""
        if time.monotonic() - self._looked >= GLANCE:
            self._rooms = tuple(
                Room(cpus=has.get("CPU", 0), gpus=has.get("GPU", 0), memory=has.get("memory", 0))
                for has in (node["Resources"] for node in _nodes() if node["Alive"])
            )
            self._looked = time.monotonic()
        return self._rooms

    def start(self, task: Task) -> None:
        """See `Executor.start`."""
        job = _Job(task)
        with self._lock:
            self._jobs.append(job)
        self._threads.submit(self._work, job)

    def finished(self, timeout: float) -> Sequence[Outcome]:
        """See `Executor.finished`."""
        arrived = []
        try:
            arrived.append(
                self._outcomes.get(timeout=timeout) if timeout > 0 else self._outcomes.get_nowait()
            )
            while True:
                arrived.append(self._outcomes.get_nowait())
        except queue.Empty:
            return arrived

    def cancel(self, step_run: str) -> None:
        """See `Executor.cancel`; Ray ends its process on the node, and the worker ends with that."""
        with self._lock:
            for job in self._jobs:
                if job.task.step_run == step_run:
                    job.cancel()

    def warm(self, workspace: Workspace) -> None:
        """See `Executor.warm`."""
        self._here.warm(workspace)

    def draw(self, workspace: Workspace, target: str) -> Graph:
        """See `Executor.draw`."""
        return self._here.draw(workspace, target)

    def close(self) -> None:
        """See `Executor.close`; a cluster that was started here ends as well."""
        with self._lock:
            for job in self._jobs:
                job.cancel()
        self._threads.shutdown()
        self._here.close()
        self._parcels.forget()
        if self._connected:
            ray.shutdown()

    def _work(self, job: _Job) -> None:
        """A task from start to outcome, in a thread of its own."""
        try:
            with StepLog(self._logs, job.task.step_run, job.task.secrets.values()) as step_log:
                outcome = self._outcome(job, step_log)
                outcome = replace(
                    outcome, error=step_log.masked(outcome.error)
                )  # a node may not have done it
        except OSError as error:
            job.cancel()
            outcome = job.ended(f"its log cannot be kept: {error}")
        with self._lock:
            self._jobs.remove(job)
        self._outcomes.put(outcome)

    def _outcome(self, job: _Job, step_log: StepLog) -> Outcome:
        try:
            for told in self._told(job):
                if isinstance(told, Done):
                    return told.outcome
                step_log.take(told.lines)
            outcome = job.ended("Ray told nothing of it", lost=True)
        except RayTaskError as error:
            outcome = job.ended(_sentence(error.cause or error), raised=names_of(error.cause or error))
        except RayError as error:
            self._looked = -math.inf  # the cluster has perhaps a node less
            outcome = job.ended(f"lost by Ray: {_sentence(error)}", lost=True)
        except OSError:
            raise
        except Exception as error:  # noqa: BLE001 - a task has an outcome, whatever happens
            outcome = job.ended(_sentence(error), raised=names_of(error))
        step_log.write("penstock", outcome.error)
        return outcome

    def _told(self, job: _Job) -> Iterator[Told]:
        order, archive = self._parcels.pack(job.task)
        with self._lock:
            if not job.cancelled:
                job.stream = _place.options(**_resources(job.task.node.options)).remote(order, [archive])
        for told in job.stream or ():
            yield decode_told(ray.get(told))


class _Job:
    """A task that was started, and the stream of what is told of it once Ray has it."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.started = time.monotonic()
        self.stream: Any = None
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True
        if self.stream:
            ray.cancel(self.stream, force=True)

    def ended(self, sentence: str, *, lost: bool = False, raised: tuple[str, ...] = ()) -> Outcome:
        """The outcome of a task that did not come to its end."""
        return Outcome(
            step_run=self.task.step_run,
            token=self.task.token,
            error="cancelled" if self.cancelled else sentence,
            raised=raised,
            lost=lost and not self.cancelled,
            seconds=time.monotonic() - self.started,
        )


def _nodes() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    return found


def _resources(options: Options) -> dict[str, float]:
    """What a step needs, as Ray calls it."""
    asked = {"num_cpus": options.cpus, "num_gpus": options.gpus, "memory": options.memory}
    return {name: number for name, number in asked.items() if number or name == "num_cpus"}


def _connect(address: str) -> bool:
    """Join the cluster, unless this process has; whether it was done here. Raises Unavailable."""
    if ray.is_initialized():
        return False
    try:
        if address:
            _knock(address)
        with _as_before():
            ray.init(
                address=address or None,
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
    except Exception as error:  # a node that does not come up in time is a plain one
        raise Unavailable(
            what=f"The Ray cluster at {address or 'this machine'} cannot be joined",
            expected="the address that ray start --head gave, on a machine that has joined it",
            found=_sentence(error),
            fix=f"Join it first: ray start --address={address or 'HOST:PORT'}.",
        ) from error
    return True


@contextmanager
def _as_before() -> Iterator[None]:
    """Undo what Ray does to this process: end it without putting away, and have another debugger for it."""
    handler, debugger = signal.getsignal(signal.SIGTERM), os.environ.get(DEBUGGER)
    yield
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, handler)
    os.environ.pop(DEBUGGER, None)
    if debugger is not None:
        os.environ[DEBUGGER] = debugger


def _knock(address: str) -> None:
    """Raises OSError where nobody answers: Ray would wait for it, deaf to signals."""
    host, _, port = address.rpartition(":")
    if not (host and port.isdecimal()):
        raise OSError(f"{address}, which is not HOST:PORT")
    socket.create_connection((host, int(port)), KNOCK).close()


def _sentence(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
