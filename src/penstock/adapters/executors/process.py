"""A worker process as its pool sees it."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import msgspec

from penstock.adapters.executors.enclosed import Enclosed
from penstock.adapters.executors.protocol import (
    PIPE,
    Answer,
    Begun,
    Do,
    Draw,
    Ready,
    Request,
    Said,
)
from penstock.adapters.executors.steplog import StepLog
from penstock.adapters.executors.tree import MARK, end_tree, new_mark
from penstock.adapters.executors.usage import held_by
from penstock.adapters.isolation.program import Isolation, Start
from penstock.core.channel import Channel
from penstock.core.sizes import size_text
from penstock.runs.types import Workspace

START_LIMIT = 120.0
"""Seconds in which an environment has to start and import the code of a task."""

_SLICE = 1.0
"""Seconds between looks at whether the process lives: a child that it forked may hold its pipe open."""

_MEMORY_SLICE = 0.05
"""Seconds between looks at the memory of a step that has declared how much it needs: what it takes in
between is not prevented. A limit on addresses would be exact, and wrong: libraries reserve many more of them
than they use, and mapped tables take addresses but no memory of their own."""

_NO_MEMORY = "memory allocation of "
"""What libraries in Rust say before they give up: another attempt would not do better."""

_NOT_INHERITED = (
    "PYTHONPATH",
    "PYTHONHOME",
    "PYTHONSTARTUP",
    "PENSTOCK_FORGE_TOKEN",
    "PENSTOCK_WEBHOOK_SECRET",
    "PENSTOCK_STORE",
)
_OF_INDEX = ("UV_", "PIP_")
"""Settings of the package index, with its passwords: a step installs nothing."""
_PREFERRED = {"OMP_WAIT_POLICY": "PASSIVE", "PYTHONHASHSEED": "0"}
"""Where workers share cores, OpenMP threads that spin while they wait starve those they wait for:
fitting boosted trees beside other work took twenty times as long."""


def key_of(workspace: Workspace) -> tuple[str, str]:
    """What makes a worker fit for a workspace: its Python and its code."""
    return workspace.python, workspace.folder


def code_of(request: Request) -> str:
    """What a worker has to import for a request: a module of the project, or what a kind of node needs."""
    if isinstance(request, Draw):
        return request.target.partition(":")[0]
    node = request.task.node
    return node.target.partition(":")[0] or node.kind


class WorkerGone(Exception):
    """The worker ended without an answer. `lost` says that it died at work, or by a signal;
    `printed` is what it left on standard error.
    """

    def __init__(self, sentence: str, *, lost: bool = False, printed: str = "") -> None:
        super().__init__(sentence)
        self.lost = lost
        self.printed = printed


class _Asked(msgspec.Struct):
    """The limits of what a worker was asked: the moment by which it has to be done, or as long as it has
    not `begun`, to begin; and the memory in bytes that is `allowed`.
    """

    timeout: float
    memory: int
    deadline: float
    allowed: float = math.inf
    begun: bool = False


class WorkerProcess:
    """A process of a workspace's Python that answers one request at a time, and whatever it starts.

    `warm_for` is the code that it has been asked to import so far (see `code_of`).
    Raises WorkerGone when the environment cannot start.
    """

    def __init__(
        self, workspace: Workspace, logs: Path, blobs: Path, isolation: Isolation | None = None
    ) -> None:
        self._logs = logs
        self._blobs = blobs
        self._log = ""
        self.key = key_of(workspace)
        self.idle_since = math.inf
        self._mark = new_mark()
        self.warm_for: set[str] = set()
        self._printed = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        self._ready = False
        self._asked: _Asked | None = None
        self._unsent = b""
        self._held = ExitStack()
        self._enclosed = Enclosed(isolation, self._held) if isolation and isolation.shuts else None
        command = [workspace.python, "-P", "-m", "penstock.adapters.executors.worker", workspace.folder]
        start = Start(
            command=[*command, str(logs), str(blobs)],
            folder=Path(workspace.folder),
            variables={**_environment(), MARK: self._mark},
        )
        try:
            if self._enclosed:
                start = self._enclosed.start(start.command, workspace, blobs, {MARK: self._mark})
            self._status = start.status
            pipe = subprocess.PIPE
            self._process = start.launch(
                supervised=self._enclosed is not None,
                stdin=pipe,
                stdout=pipe,
                stderr=self._printed,
                bufsize=0,
            )
        except OSError as error:
            self._held.close()
            self._printed.close()
            sentence = f"the environment {workspace.python} cannot start: {error.strerror} ({error.filename})"
            raise WorkerGone(sentence) from error
        assert self._process.stdin  # noqa: S101 - asked for above, which the type checker cannot see
        assert self._process.stdout  # noqa: S101 - the same
        self._outlet = self._process.stdout.fileno()
        self._channel = Channel[Answer](self._outlet, self._process.stdin.fileno(), Answer)

    @property
    def alive(self) -> bool:
        """Whether the process has not ended."""
        return self._process.poll() is None

    @property
    def outlet(self) -> int:
        """The file descriptor that can be read when the worker says something, or has ended."""
        return self._outlet

    def begin(self, request: Request, timeout: float = 0.0, memory: int = 0) -> None:
        """Ask for an answer, as soon as the worker is up. `timeout` (in seconds) and `memory` (in bytes)
        limit a task from its beginning; 0 is no limit. Raises WorkerGone.

        What has no limits and needs no import begins at once: nobody needs to be told.
        """
        code = code_of(request)
        if isinstance(request, Do) and self._ready and code in self.warm_for and not timeout and not memory:
            request = Do(request.task, tell=False)
            self._asked = _Asked(timeout, memory, math.inf, begun=True)
        else:
            self._asked = _Asked(timeout, memory, time.monotonic() + START_LIMIT)
        self.warm_for.add(code)
        self._log = request.task.step_run if isinstance(request, Do) else ""
        self._unsent = self._channel.packed(request)
        if self._ready or len(self._unsent) <= PIPE:  # a worker that never gets up must not hold us
            self._send()

    def answer(self, patience: float = 0.0) -> Answer | None:
        """The answer to what was asked, None if it is not there after `patience` seconds.

        Raises WorkerGone, and TimeoutError and MemoryError with a sentence.
        """
        while True:
            try:
                said = self._channel.receive(0)
                alive = said is not None or self.alive
                if said is None:
                    said = self._channel.receive(patience if alive else 0)
            except EOFError:
                raise self._gone() from None
            patience = 0
            match said:
                case None if alive:
                    self._check_limits()
                    return None
                case None:
                    raise self._gone()
                case Ready():
                    self._ready = True
                    self._send()
                case Begun():
                    self._begun()
                case Said():
                    with StepLog(self._logs, self._log) as step_log:
                        step_log.take(said.lines)
                case _:
                    self._asked = None
                    if self._enclosed:
                        self._enclosed.take_in(self._blobs)
                    return said

    @property
    def pressed(self) -> bool:
        """Whether its limits have to be looked at all the time, or now."""
        return self.due() <= _MEMORY_SLICE

    def due(self) -> float:
        """In how many seconds at most its limits have to be looked at."""
        if self._asked is None:
            return _SLICE
        slice_ = _SLICE if self._asked.allowed == math.inf else _MEMORY_SLICE
        return max(0.0, min(slice_, self._asked.deadline - time.monotonic()))

    def kill(self) -> None:
        """End the process and everything that it has started."""
        end_tree(self._process.pid, self._mark)

    def close(self) -> None:
        """End the process and let go of what was held for it."""
        self.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._printed):
            if stream:
                stream.close()
        self._held.close()

    def _send(self) -> None:
        unsent, self._unsent = self._unsent, b""
        try:
            self._channel.write(unsent)
        except BrokenPipeError:
            raise self._gone() from None

    def _begun(self) -> None:
        """The code of a task is imported: its limits count from here."""
        if asked := self._asked:
            asked.begun = True
            asked.deadline = time.monotonic() + (asked.timeout or math.inf)
            asked.allowed = held_by(self._process.pid) + asked.memory if asked.memory else math.inf

    def _check_limits(self) -> None:
        asked = self._asked
        if asked and time.monotonic() >= asked.deadline:
            raise TimeoutError(
                f"it took longer than its timeout of {asked.timeout:g} s"
                if asked.begun
                else f"the environment or its code took longer than {START_LIMIT:g} s to start"
            )
        if asked and asked.allowed < math.inf and held_by(self._process.pid) > asked.allowed:
            raise MemoryError(f"needed more than its {size_text(asked.memory)}")

    def _gone(self) -> WorkerGone:
        self.kill()
        code = self._status(self._process.wait())
        printed = self._standard_error()
        if code == -signal.SIGABRT and _NO_MEMORY in printed:
            return WorkerGone("needed more memory than there is", printed=printed)
        if code < 0:
            return WorkerGone(_signal_sentence(-code), lost=True, printed=printed)
        if self._ready:
            return WorkerGone(
                f"its process ended with exit code {code} and no result", lost=True, printed=printed
            )
        last = (printed.splitlines() or ["it printed nothing"])[-1]
        return WorkerGone(f"the environment {self.key[0]} cannot start a worker: {last}", printed=printed)

    def _standard_error(self) -> str:
        size = os.fstat(self._printed.fileno()).st_size
        return os.pread(self._printed.fileno(), size, 0).decode(errors="replace").strip()


def _environment() -> dict[str, str]:
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name not in _NOT_INHERITED and not name.startswith(_OF_INDEX)
    }
    return _PREFERRED | inherited


def _signal_sentence(number: int) -> str:
    if number == signal.SIGKILL:
        return "killed by the operating system (signal 9), perhaps out of memory"
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = "unknown"
    return f"its process crashed (signal {number}, {name})"
