"""A worker process as its pool sees it."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from penstock.adapters.executors.protocol import Answer, Begun, Channel, Draw, Ready, Request
from penstock.adapters.executors.tree import MARK, end_tree, new_mark
from penstock.adapters.executors.usage import held_by
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

_NOT_INHERITED = (
    "PYTHONPATH",
    "PYTHONHOME",
    "PYTHONSTARTUP",
    "PENSTOCK_FORGE_TOKEN",
    "PENSTOCK_WEBHOOK_SECRET",
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


class WorkerProcess:
    """A process of a workspace's Python that answers one request at a time, and whatever it starts.

    `warm_for` is the code that it has been asked to import so far (see `code_of`).
    Raises WorkerGone when the environment cannot start.
    """

    def __init__(self, workspace: Workspace, logs: Path, blobs: Path) -> None:
        self.key = key_of(workspace)
        self.idle_since = math.inf
        self._mark = new_mark()
        self.warm_for: set[str] = set()
        self._printed = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        self._ready = False
        command = [workspace.python, "-P", "-m", "penstock.adapters.executors.worker"]
        try:
            self._process = subprocess.Popen(
                [*command, workspace.folder, str(logs), str(blobs)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._printed,
                bufsize=0,
                cwd=workspace.folder,
                env={**_environment(), MARK: self._mark},
                start_new_session=True,
            )
        except OSError as error:
            self._printed.close()
            sentence = f"the environment {workspace.python} cannot start: {error.strerror} ({error.filename})"
            raise WorkerGone(sentence) from error
        assert self._process.stdin  # noqa: S101 - asked for above, which the type checker cannot see
        assert self._process.stdout  # noqa: S101 - the same
        self._channel = Channel[Answer](self._process.stdout.fileno(), self._process.stdin.fileno(), Answer)

    @property
    def alive(self) -> bool:
        """Whether the process has not ended."""
        return self._process.poll() is None

    def ask(self, request: Request, timeout: float = 0.0, memory: int = 0) -> Answer:
        """The answer to a request. `timeout` (in seconds) and `memory` (in bytes) limit a task from its
        beginning; 0 is no limit.

        Raises WorkerGone, and TimeoutError and MemoryError with a sentence.
        """
        try:
            while not self._ready:
                self._ready = isinstance(self._next(START_LIMIT), Ready)
            self._send(request)
            self.warm_for.add(code_of(request))
            answer = self._next(START_LIMIT)
        except TimeoutError:
            raise TimeoutError(
                f"the environment or its code took longer than {START_LIMIT:g} s to start"
            ) from None
        try:
            return self._next(timeout or math.inf, memory) if isinstance(answer, Begun) else answer
        except TimeoutError:
            raise TimeoutError(f"it took longer than its timeout of {timeout:g} s") from None

    def kill(self) -> None:
        """End the process and everything that it has started; may be called from any thread."""
        end_tree(self._process.pid, self._mark)

    def close(self) -> None:
        """End the process and let go of what was held for it."""
        self.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._printed):
            if stream:
                stream.close()

    def _send(self, request: Request) -> None:
        try:
            self._channel.send(request)
        except BrokenPipeError:
            raise self._gone() from None

    def _next(self, patience: float, memory: int = 0) -> Answer:
        """The next answer. Raises TimeoutError when it has not come after `patience` seconds, and MemoryError
        once the process has taken `memory` bytes more than at the beginning.
        """
        deadline = time.monotonic() + patience
        allowed = held_by(self._process.pid) + memory if memory else math.inf
        slice_ = _MEMORY_SLICE if memory else _SLICE
        while (left := deadline - time.monotonic()) > 0:
            alive = self.alive
            try:
                answer = self._channel.receive(min(slice_, left) if alive else 0)
            except EOFError:
                raise self._gone() from None
            if answer is not None:
                return answer
            if not alive:
                raise self._gone()
            if memory and held_by(self._process.pid) > allowed:
                raise MemoryError(f"needed more than its {size_text(memory)}")
        raise TimeoutError

    def _gone(self) -> WorkerGone:
        self.kill()
        code = self._process.wait()
        printed = self._standard_error()
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
