"""An executor on this machine: a few warm worker processes, each of one workspace at a time."""

from __future__ import annotations

import select
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from penstock.adapters.executors.process import WorkerGone, WorkerProcess, code_of, key_of
from penstock.adapters.executors.protocol import Answer, Do, Done, Draw, Drawn, Stale
from penstock.adapters.executors.steplog import StepLog
from penstock.adapters.isolation.program import Isolation
from penstock.core.eager import Eager
from penstock.core.errors import InvalidPipeline, names_of
from penstock.pipelines.types import Graph
from penstock.runs.room import ANYTHING, Room
from penstock.runs.types import Outcome, Task, Workspace

PATIENCE = 300.0
"""Seconds for which an idle worker is kept warm."""

_ROUND = 1.0
"""Seconds between looks at all workers while some of them speak: the pipe of a dead one may be held open."""


class WorkerPool:
    """Runs up to `size` tasks at once; see `runs.ports.Executor`.

    `logs` is where the step logs go (`RUN/STEP.jsonl`), `blobs` the folder of the blob store. It is for one
    thread, and limits of tasks are looked at while it waits in `finished`: no thread stands between a task
    and its worker, whose handing over would take longer than many a step. Workers end with this process,
    however it ends.
    """

    def __init__(
        self,
        *,
        size: int,
        logs: Path,
        blobs: Path,
        room: Room = ANYTHING,
        patience: float = PATIENCE,
        isolation: Isolation | None = None,
    ) -> None:
        """`room` is what tasks may need together; for `patience` seconds an idle worker is kept warm;
        `isolation` is how workers are kept from the home.
        """
        self._isolation = isolation
        self._size = size
        self._room = room
        self._patience = patience
        self._logs = logs.absolute()
        self._blobs = blobs.absolute()
        self._jobs: list[_Job] = []
        self._next_round = 0.0
        self._eager = Eager()
        self._idle: list[WorkerProcess] = []

    def free(self) -> int:
        """See `Executor.free`."""
        return self._size - len(self._jobs)

    def rooms(self) -> Sequence[Room]:
        """See `Executor.rooms`."""
        return (self._room,)

    def warm(self, workspace: Workspace) -> None:
        """See `Executor.warm`."""
        with suppress(WorkerGone):  # said when it is asked for something
            self._idle.append(WorkerProcess(workspace, self._logs, self._blobs, self._isolation))

    def start(self, task: Task) -> None:
        """See `Executor.start`."""
        job = _Job(task)
        self._jobs.append(job)
        self._begin(job)

    def finished(self, timeout: float) -> Sequence[Outcome]:
        """See `Executor.finished`; retires workers that have been idle for long."""
        self._retire()
        until = time.monotonic() + timeout
        while True:
            known = any(job.outcome for job in self._jobs)
            for job, worker in self._heard(0.0 if known else max(0.0, until - time.monotonic())):
                self._look(job, worker)
            ended = [job.outcome for job in self._jobs if job.outcome]
            if ended or time.monotonic() >= until:
                self._jobs = [job for job in self._jobs if not job.outcome]
                return ended

    def cancel(self, step_run: str) -> None:
        """See `Executor.cancel`."""
        for job in self._jobs:
            if job.task.step_run == step_run:
                job.cancel()

    def draw(self, workspace: Workspace, target: str) -> Graph:
        """See `Executor.draw`; the worker stays warm for the steps."""
        request = Draw(target)
        drawn: Answer = Stale()
        try:
            while isinstance(drawn, Stale):
                worker = self._take(workspace, code_of(request))
                try:
                    worker.begin(request)
                    drawn = _patiently(worker)
                except BaseException:
                    worker.close()
                    raise
                self._put_back(worker, drawn)
        except (WorkerGone, TimeoutError) as error:
            raise InvalidPipeline(what=f"{target} cannot be drawn: {error}") from error
        if not isinstance(drawn, Drawn) or drawn.graph is None:
            raise InvalidPipeline(**drawn.error if isinstance(drawn, Drawn) else {})
        return drawn.graph

    def close(self) -> None:
        """See `Executor.close`."""
        for job in self._jobs:
            if job.worker:
                job.worker.close()
        self._jobs.clear()
        while self._idle:
            self._idle.pop().close()

    def _begin(self, job: _Job) -> None:
        """Ask a worker to do a task."""
        options = job.task.node.options
        try:
            request = Do(job.task)
            job.worker = self._take(job.task.workspace, code_of(request))
            job.worker.begin(request, options.timeout, options.memory)
        except Exception as error:  # noqa: BLE001 - a task has an outcome, whatever happens
            self._fail(job, error)

    def _look(self, job: _Job, worker: WorkerProcess) -> None:
        """Take in what a worker has said of its task, and begin again where it knows older code."""
        try:
            answer = worker.answer()
        except Exception as error:  # noqa: BLE001 - the same
            self._fail(job, error)
            return
        if answer is None:
            return
        self._put_back(worker, answer)
        job.worker = None
        if isinstance(answer, Stale):
            self._begin(job)
        elif isinstance(answer, Done):
            job.outcome = answer.outcome
        else:
            self._fail(job, TypeError(f"the worker answered {answer}"))

    def _heard(self, most: float) -> list[tuple[_Job, WorkerProcess]]:
        """Wait until a worker says something or limits have to be looked at; gives whom to look at."""
        asked = [(job, job.worker) for job in self._jobs if job.worker]
        poll = select.poll()
        for _, worker in asked:
            poll.register(worker.outlet, select.POLLIN)
        most = min([most, *(worker.due() for _, worker in asked)])
        spoke = {outlet for outlet, _ in self._eager.poll(poll, most)}
        now = time.monotonic()
        if not spoke or now >= self._next_round:
            self._next_round = now + _ROUND
            return asked
        return [(job, worker) for job, worker in asked if worker.outlet in spoke or worker.pressed]

    def _fail(self, job: _Job, error: Exception) -> None:
        """End a task whose worker gives no result, and its worker."""
        if job.worker:
            job.worker.close()
            job.worker = None
        gone = error if isinstance(error, WorkerGone) else None
        task = job.task
        sentence = "cancelled" if job.cancelled else str(error)
        with (
            suppress(OSError),
            StepLog(self._logs, task.step_run, task.secrets.values()) as step_log,
        ):  # a full disk: the outcome counts
            step_log.write("stderr", gone.printed if gone else "")
            step_log.write("penstock", sentence)
        job.outcome = Outcome(
            step_run=task.step_run,
            token=task.token,
            error=sentence,
            raised=() if gone else names_of(error),
            lost=gone is not None and gone.lost and not job.cancelled,
            seconds=time.monotonic() - job.started,
        )

    def _put_back(self, worker: WorkerProcess, answer: Answer) -> None:
        """Keep a worker warm, unless its code is not what it is on disk now."""
        if isinstance(answer, Stale):
            worker.close()
        else:
            worker.idle_since = time.monotonic()
            self._idle.append(worker)

    def _retire(self) -> None:
        """End the workers that nobody has asked anything for a while: each holds a hundred megabytes."""
        before = time.monotonic() - self._patience
        for worker in [worker for worker in self._idle if worker.idle_since <= before]:
            self._idle.remove(worker)
            worker.close()

    def _take(self, workspace: Workspace, code: str) -> WorkerProcess:
        """An idle worker of the workspace, one that knows the code if there is one, or a new worker.

        An idle one of another workspace makes room if it must.
        """
        key = key_of(workspace)
        for worker in [worker for worker in self._idle if not worker.alive]:
            self._idle.remove(worker)
            worker.close()
        fitting = [worker for worker in self._idle if worker.key == key]
        ours = max(reversed(fitting), key=lambda worker: code in worker.warm_for, default=None)
        if ours:
            self._idle.remove(ours)
            return ours
        if self._idle and len(self._idle) + len(self._jobs) > self._size:
            self._idle.pop(0).close()
        return WorkerProcess(workspace, self._logs, self._blobs, self._isolation)


class _Job:
    """A task that was started, the worker that has it now, and what became of it."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.started = time.monotonic()
        self.worker: WorkerProcess | None = None
        self.outcome: Outcome | None = None
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True
        if self.worker:
            self.worker.kill()


def _patiently(worker: WorkerProcess) -> Answer:
    """The answer of a worker, however long it takes within its limits."""
    while (answer := worker.answer(worker.due())) is None:
        pass
    return answer
