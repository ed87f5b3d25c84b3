"""An executor on this machine: a few warm worker processes, each of one workspace at a time."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from penstock.adapters.executors.process import WorkerGone, WorkerProcess, code_of, key_of
from penstock.adapters.executors.protocol import Answer, Do, Done, Draw, Drawn, Request, Stale
from penstock.adapters.executors.steplog import StepLog
from penstock.core.errors import InvalidPipeline, names_of
from penstock.pipelines.types import Graph, Options
from penstock.runs.room import ANYTHING, Room
from penstock.runs.types import Outcome, Task, Workspace

PATIENCE = 300.0
"""Seconds for which an idle worker is kept warm."""


class WorkerPool:
    """Runs up to `size` tasks at once; see `runs.ports.Executor`.

    `logs` is where the step logs go (`RUN/STEP.jsonl`), `blobs` the folder of the blob store. A thread
    stands behind each task and speaks to its worker; workers end with this process, however it ends.
    """

    def __init__(
        self, *, size: int, logs: Path, blobs: Path, room: Room = ANYTHING, patience: float = PATIENCE
    ) -> None:
        """`room` is what tasks may need together; for `patience` seconds an idle worker is kept warm."""
        self._size = size
        self._room = room
        self._patience = patience
        self._logs = logs.absolute()
        self._blobs = blobs.absolute()
        self._lock = threading.Lock()
        self._jobs: list[_Job] = []
        self._idle: list[WorkerProcess] = []
        self._outcomes: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
        self._threads = ThreadPoolExecutor(size, thread_name_prefix="penstock-task")

    def free(self) -> int:
        """See `Executor.free`."""
        with self._lock:
            return self._size - len(self._jobs)

    def rooms(self) -> Sequence[Room]:
        """See `Executor.rooms`."""
        return (self._room,)

    def start(self, task: Task) -> None:
        """See `Executor.start`."""
        job = _Job(task)
        with self._lock:
            self._jobs.append(job)
        self._threads.submit(self._work, job)

    def finished(self, timeout: float) -> Sequence[Outcome]:
        """See `Executor.finished`; retires workers that have been idle for long."""
        self._retire()
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
        """See `Executor.cancel`."""
        with self._lock:
            for job in self._jobs:
                if job.task.step_run == step_run:
                    job.cancel()

    def draw(self, workspace: Workspace, target: str) -> Graph:
        """See `Executor.draw`; the worker stays warm for the steps."""
        try:
            drawn = self._ask(workspace, Draw(target))
        except (WorkerGone, TimeoutError) as error:
            raise InvalidPipeline(what=f"{target} cannot be drawn: {error}") from error
        if not isinstance(drawn, Drawn) or drawn.graph is None:
            raise InvalidPipeline(**drawn.error if isinstance(drawn, Drawn) else {})
        return drawn.graph

    def close(self) -> None:
        """See `Executor.close`."""
        with self._lock:
            for job in self._jobs:
                job.cancel()
        self._threads.shutdown()
        while self._idle:
            self._idle.pop().close()

    def _work(self, job: _Job) -> None:
        """A task from start to outcome, in a thread of its own."""
        outcome = self._outcome(job)
        with self._lock:
            self._jobs.remove(job)
        self._outcomes.put(outcome)

    def _outcome(self, job: _Job) -> Outcome:
        task = job.task
        try:
            answer = self._ask(task.workspace, Do(task), job)
        except WorkerGone as gone:
            return self._failed(job, str(gone), lost=gone.lost, printed=gone.printed)
        except Exception as error:  # noqa: BLE001 - a task has an outcome, whatever happens
            return self._failed(job, str(error), raised=names_of(error))
        return (
            answer.outcome if isinstance(answer, Done) else self._failed(job, f"the worker answered {answer}")
        )

    def _failed(
        self,
        job: _Job,
        sentence: str,
        *,
        lost: bool = False,
        printed: str = "",
        raised: tuple[str, ...] = (),
    ) -> Outcome:
        task = job.task
        error = "cancelled" if job.cancelled else sentence
        with (
            suppress(OSError),
            StepLog(self._logs, task.step_run, task.secrets.values()) as step_log,
        ):  # a full disk: the outcome counts
            step_log.write("stderr", printed)
            step_log.write("penstock", error)
        seconds = time.monotonic() - job.started
        return Outcome(
            step_run=task.step_run,
            token=task.token,
            error=error,
            raised=raised,
            lost=lost and not job.cancelled,
            seconds=seconds,
        )

    def _ask(self, workspace: Workspace, request: Request, job: _Job | None = None) -> Answer:
        """The answer of a worker whose code is as it is on disk now."""
        answer: Answer = Stale()
        limits = job.task.node.options if job else Options()
        while isinstance(answer, Stale):
            worker = self._take(workspace, code_of(request))
            try:
                self._assign(job, worker)
                answer = worker.ask(request, limits.timeout, limits.memory)
            except BaseException:
                worker.close()
                raise
            finally:
                self._assign(job, None)
            if isinstance(answer, Stale):
                worker.close()
        worker.idle_since = time.monotonic()
        with self._lock:
            self._idle.append(worker)
        return answer

    def _retire(self) -> None:
        """End the workers that nobody has asked anything for a while: each holds a hundred megabytes."""
        before = time.monotonic() - self._patience
        with self._lock:
            tired = [worker for worker in self._idle if worker.idle_since <= before]
            self._idle = [worker for worker in self._idle if worker not in tired]
        for worker in tired:
            worker.close()

    def _assign(self, job: _Job | None, worker: WorkerProcess | None) -> None:
        with self._lock:
            if job:
                job.worker = worker
                if job.cancelled:
                    job.cancel()

    def _take(self, workspace: Workspace, code: str) -> WorkerProcess:
        """An idle worker of the workspace, one that knows the code if there is one, or a new worker.

        An idle one of another workspace makes room if it must.
        """
        key = key_of(workspace)
        with self._lock:
            dead = [worker for worker in self._idle if not worker.alive]
            self._idle = [worker for worker in self._idle if worker.alive]
            fitting = [worker for worker in self._idle if worker.key == key]
            ours = max(reversed(fitting), key=lambda worker: code in worker.warm_for, default=None)
            if ours is None and self._idle and len(self._idle) + len(self._jobs) > self._size:
                dead.append(self._idle.pop(0))
            if ours:
                self._idle.remove(ours)
        for worker in dead:
            worker.close()
        return ours or WorkerProcess(workspace, self._logs, self._blobs)


class _Job:
    """A task that was started, and the worker that has it now."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.started = time.monotonic()
        self.worker: WorkerProcess | None = None
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True
        if self.worker:
            self.worker.kill()
