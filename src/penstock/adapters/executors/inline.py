"""An executor in this process: steps one after another, under the eyes of a debugger."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar, TextIO

from msgspec.structs import replace

from penstock.adapters.executors.execute import execute
from penstock.adapters.executors.imported import Imported
from penstock.adapters.executors.steplog import StepLog, warnings_to
from penstock.adapters.executors.usage import forget_peak, peak
from penstock.lineage.ports import Blobs
from penstock.pipelines.loading import draw_target, make_importable
from penstock.pipelines.types import Graph
from penstock.runs.room import ANYTHING, Room
from penstock.runs.types import Outcome, Task, Workspace


class InlineExecutor:
    """Runs a task when its outcome is asked for; see `runs.ports.Executor`.

    What a step prints goes to standard error as well as to its log, and `breakpoint()` stops it. Nothing
    that has begun can be ended from here: timeouts and limits of memory do not hold, and a step that
    takes its process down takes all of it. An interrupt passes through.
    """

    _imported: ClassVar = Imported(Path())
    """What there is of a project in this process, whichever executor it was imported for."""

    def __init__(self, *, logs: Path, blobs: Blobs, size: int = 1, room: Room = ANYTHING) -> None:
        """`size` is how many tasks may have been started; they still run one by one."""
        self._logs = logs.absolute()
        self._blobs = blobs
        self._size = size
        self._room = room
        self._waiting: list[Task] = []
        self._outcomes: list[Outcome] = []

    def free(self) -> int:
        """See `Executor.free`."""
        return self._size - len(self._waiting)

    def rooms(self) -> Sequence[Room]:
        """See `Executor.rooms`."""
        return (self._room,)

    def start(self, task: Task) -> None:
        """See `Executor.start`."""
        self._waiting.append(task)

    def finished(self, timeout: float) -> Sequence[Outcome]:  # noqa: ARG002 - the port's
        """See `Executor.finished`; runs the oldest of the tasks, for as long as it takes."""
        if self._waiting and not self._outcomes:
            self._outcomes.append(self._do(self._waiting.pop(0)))
        outcomes, self._outcomes = self._outcomes, []
        return outcomes

    def cancel(self, step_run: str) -> None:
        """See `Executor.cancel`; whatever has not begun."""
        for task in [task for task in self._waiting if task.step_run == step_run]:
            self._waiting.remove(task)
            self._outcomes.append(Outcome(step_run=step_run, token=task.token, error="cancelled"))

    def warm(self, workspace: Workspace) -> None:
        """See `Executor.warm`: there is nothing to get ready."""

    def draw(self, workspace: Workspace, target: str) -> Graph:
        """See `Executor.draw`; imports the pipeline into this process."""
        with self._in(workspace):
            return draw_target(target, workspace.folder)

    def close(self) -> None:
        """See `Executor.close`."""
        self._waiting.clear()

    def _do(self, task: Task) -> Outcome:
        outcome = Outcome(step_run=task.step_run, token=task.token)
        if task.workspace.python != sys.executable:
            sentence = f"it belongs to {task.workspace.python}, and what runs inline to {sys.executable}"
            return replace(outcome, error=sentence)
        forget_peak()
        try:
            with (
                self._in(task.workspace),
                StepLog(self._logs, task.step_run, task.secrets.values()) as step_log,
                warnings_to(step_log),
                contextlib.redirect_stdout(_Echo(step_log, "stdout", sys.stdout)) as out,
                contextlib.redirect_stderr(_Echo(step_log, "stderr", sys.stderr)) as err,
            ):
                outcome = execute(task, self._blobs, step_log, through=(KeyboardInterrupt,))
                out.finish()
                err.finish()
        except OSError as error:
            return replace(outcome, error=f"its log cannot be kept: {error}")
        return replace(outcome, memory=peak())

    @contextlib.contextmanager
    def _in(self, workspace: Workspace) -> Iterator[None]:
        """In the folder of a workspace, with its code as it is on disk now."""
        folder = Path(workspace.folder).resolve()
        if self._imported.folder != folder or self._imported.changed():
            self._imported.forget()
            InlineExecutor._imported = Imported(folder)
        make_importable(folder)
        with contextlib.chdir(folder):
            yield
        self._imported.note()


class _Echo(io.TextIOBase):
    """What is printed goes to standard error at once and, line by line, to the log of a step.

    For a debugger it is the terminal that it stands for.
    """

    encoding = "utf-8"
    errors = "replace"

    def __init__(self, log: StepLog, stream: str, terminal: TextIO) -> None:
        self._log = log
        self._stream = stream
        self._terminal = terminal
        self._shown = sys.stderr
        self._rest = ""

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._terminal.fileno()

    def isatty(self) -> bool:
        return self._terminal.isatty()

    def write(self, text: str) -> int:
        self._shown.write(text)
        self._shown.flush()
        *lines, self._rest = (self._rest + text).split("\n")
        if lines:
            self._log.write(self._stream, "\n".join(lines))
        return len(text)

    def finish(self) -> None:
        """Write the line that was begun, if there is one."""
        if self._rest:
            self._log.write(self._stream, self._rest)
            self._rest = ""
