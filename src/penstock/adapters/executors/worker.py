"""The worker process: runs tasks of one workspace, one at a time, and stays warm between them.

Started by a pool as `python -m penstock.adapters.executors.worker FOLDER LOGS BLOBS [OWN]`. Requests come in
at standard input and answers go out at standard output; user code sees neither of them. An isolated one only
reads the blobs, puts new ones into its OWN folder, from where the pool takes them, and sends it the logs.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace

from penstock.adapters.blobs.behind import Behind
from penstock.adapters.blobs.borrowed import BorrowedBlobs
from penstock.adapters.blobs.folder import FolderBlobs
from penstock.adapters.executors.enclosed import OWN_BLOBS
from penstock.adapters.executors.execute import execute
from penstock.adapters.executors.imported import Imported
from penstock.adapters.executors.protocol import (
    Answer,
    Begun,
    Do,
    Done,
    Draw,
    Drawn,
    Ready,
    Request,
    Said,
    Stale,
)
from penstock.adapters.executors.steplog import StepLog, Streams, warnings_to
from penstock.adapters.executors.tree import MARK, end_tree
from penstock.adapters.executors.usage import forget_peak, peak
from penstock.core.channel import Channel
from penstock.core.eager import Eager
from penstock.core.errors import PenstockError
from penstock.lineage.ports import Blobs
from penstock.pipelines.loading import draw_target, make_importable
from penstock.runs.types import Outcome

PRINTED = "printed"


class Worker:
    """Answers the requests of a pool for the project in `folder`."""

    def __init__(
        self, channel: Channel[Request], folder: Path, logs: Path, blobs: Path, own: Path | None = None
    ) -> None:
        self._channel = channel
        self._folder = folder
        self._logs = logs
        self._behind = Behind()
        self._blobs: Blobs = FolderBlobs(blobs, behind=self._behind)
        self._send: Callable[[bytes], object] | None = None
        if own:
            self._blobs = BorrowedBlobs(blobs, own / OWN_BLOBS)
            self._send = lambda lines: channel.send(Said(lines))
        self._imported = Imported(folder)
        self._streams = Streams()
        self._told: dict[str, str] = {}

    def serve(self) -> None:
        """Work until the pool is gone."""
        make_importable(self._folder)
        self._channel.send(Ready())
        _begin_anew()
        while request := self._channel.receive():
            answer = self._answer(request)
            self._imported.note()
            self._channel.send(answer)
            _begin_anew()  # while nobody waits for this process

    def _answer(self, request: Request) -> Answer:
        if self._imported.changed() or self._told_otherwise(request):
            return Stale()
        return self._draw(request) if isinstance(request, Draw) else self._do(request)

    def _begun(self, request: Do) -> None:
        if request.tell:
            self._channel.send(Begun())

    def _told_otherwise(self, request: Request) -> bool:
        """Whether this process has seen secrets that are not those of the request: modules may keep them."""
        wanted = request.task.secrets if isinstance(request, Do) else {}
        return any(wanted.get(name) != value for name, value in self._told.items())

    def _draw(self, request: Draw) -> Drawn:
        try:
            return Drawn(graph=draw_target(request.target, self._folder))
        except PenstockError as error:
            parts = error.as_dict()
            return Drawn(error={name: parts[name] for name in ("what", "expected", "found", "fix")})

    def _do(self, request: Do) -> Done:
        task = request.task
        self._told |= task.secrets
        try:
            with (
                StepLog(self._logs, task.step_run, task.secrets.values(), self._send) as step_log,
                self._streams.to(step_log),
                warnings_to(step_log),
            ):
                outcome = execute(task, self._blobs, step_log, begun=lambda: self._begun(request))
                step_log.write("stderr", _printed())
            if task.node.kind in {"publish", "import"}:  # a version's bytes are on the disk before it is one
                self._behind.done()
        except OSError as error:
            outcome = Outcome(
                step_run=task.step_run, token=task.token, error=f"its log cannot be kept: {error}"
            )
        return Done(replace(outcome, memory=peak()))


def _begin_anew() -> None:
    """Forget the peak of memory, and empty the file that standard error goes to.

    What libraries in C print belongs to one step.
    """
    forget_peak()
    os.ftruncate(2, 0)
    os.lseek(2, 0, os.SEEK_SET)


def _printed() -> str:
    size = os.fstat(2).st_size
    return os.pread(2, size, 0).decode(errors="replace") if size else ""


def _take_over_standard_streams() -> tuple[int, int]:
    """The two pipes to the pool, moved to where user code does not find them.

    User code reads nothing, and whatever it prints without Python goes to standard error, which is a file.
    """
    inlet, outlet = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    return inlet, outlet


def _die_with_the_pool(inlet: int) -> None:
    """End this process and everything that it started once the pool's end of the pipe is closed."""
    poll = select.poll()
    poll.register(inlet, 0)  # no event but the hang-up, so that messages are left for the channel
    poll.poll()
    _end_with_all()


def _end_with_all() -> None:
    end_tree(os.getpgrp(), os.environ.get(MARK, ""))
    os.killpg(0, signal.SIGKILL)


def main() -> None:
    """Serve a pool; see the module."""
    folder, logs, blobs, *own = (Path(argument) for argument in sys.argv[1:])
    if own:
        os.dup2(os.open(own[0] / PRINTED, os.O_RDWR | os.O_CREAT, 0o600), 2)  # a file, as it is elsewhere
    inlet, outlet = _take_over_standard_streams()
    threading.Thread(target=_die_with_the_pool, args=(inlet,), daemon=True).start()
    try:
        Worker(Channel(inlet, outlet, Request, Eager()), folder.resolve(), logs, blobs, *own).serve()
    except (EOFError, BrokenPipeError):  # the pool is gone: ending before the watcher has done its work would
        _end_with_all()  # leave behind what steps have started


if __name__ == "__main__":
    main()
