"""Models that only their own library answers: each in a child process of its release's environment."""

from __future__ import annotations

import os
import subprocess
import threading
import weakref
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, cast

import msgspec

from penstock.adapters.isolation.limits import limits
from penstock.adapters.isolation.program import Isolation, Program, Start
from penstock.adapters.isolation.variables import plain_variables
from penstock.core.channel import Channel
from penstock.core.errors import Corrupt, InvalidRequest, Unavailable
from penstock.models.types import Signature

BEGIN = 120.0
"""Seconds that a child is given to import its libraries and load the model."""
LONGEST = 60.0
"""Seconds that an answer may take."""
_LIFE = 30 * 86_400.0
"""Seconds for which an isolated child may use all processors at most."""
_QUIET = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", "PYTHONUNBUFFERED": "1"}


class Begin(msgspec.Struct, frozen=True, tag="begin"):
    """What a child is told first: the file of the model, and what it takes. `code` is the folder of the
    project's code, empty where the model needs none.
    """

    file: str
    format: str
    signature: Signature
    code: str = ""


class Ask(msgspec.Struct, frozen=True, tag="ask"):
    """A question to a child, column by column."""

    columns: dict[str, list[Any]]


class Said(msgspec.Struct, frozen=True):
    """What a child says: an answer, or in `error` why there is none; and the bytes that it holds."""

    score: list[float] = []
    label: list[str] = []
    probabilities: list[list[float]] = []
    error: str = ""
    memory: int = 0


class ChildRuntime:
    """A model in a child process, which is begun again when it has died. Questions are asked one by one.

    Where an `isolation` shuts programs in, its environment and its model are what the child has to see.
    """

    def __init__(
        self,
        python: Path,
        file: Path,
        model_format: str,
        signature: Signature,
        code: str = "",
        *,
        isolation: Isolation | None = None,
    ) -> None:
        """Raises Unavailable where the environment is not there or cannot be isolated, Corrupt where the
        model does not load.
        """
        if not python.exists():
            raise Unavailable(
                what="The environment in which the model is served is gone",
                found=f"nothing at {python.parent.parent.name}",
                fix="A system that runs makes it anew from the lock of the release, which takes a while.",
            )
        self._python = python
        self._begin = Begin(str(file), model_format, signature, code)
        self._isolation = isolation if isolation and isolation.shuts else None
        self._asking = threading.Lock()
        self._ending: threading.Thread | None = None
        self.memory = 0
        """The bytes that the process held when it last answered."""
        self._child = self._started()

    @property
    def pid(self) -> int:
        """The process that answers, or that watches it where it is isolated."""
        return self._child.pid

    def close(self) -> None:
        """End the process; what it had is removed by then."""
        _end(self._child, isolated=self._ending is not None)
        if self._ending:
            self._ending.join()

    def predict(
        self, columns: Mapping[str, Sequence[Any]]
    ) -> tuple[list[float], list[str], list[list[float]]]:
        """Scores, labels and probabilities for n rows given column by column.

        Raises InvalidRequest for rows that the model fails on, and Unavailable when its process has died of
        them or does not answer in time: the next question finds another one.
        """
        with self._asking:
            if self._child.poll() is not None:
                self._child = self._started()
            said = self._exchange(Ask({name: list(values) for name, values in columns.items()}), LONGEST)
        if said.error:
            raise InvalidRequest(what="The model fails on these values", found=said.error)
        return said.score, said.label, said.probabilities

    def _started(self) -> subprocess.Popen[bytes]:
        held = ExitStack()
        try:
            start = self._start(held)
            child = start.launch(
                supervised=self._isolation is not None, stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
        except BaseException:
            held.close()
            raise
        if self._isolation:
            self._ending = threading.Thread(target=_after, args=(child, held), daemon=True)
            self._ending.start()
        weakref.finalize(self, _end, child, isolated=self._isolation is not None)
        asked, answered = cast("IO[bytes]", child.stdin), cast("IO[bytes]", child.stdout)
        self._child, self._channel = child, Channel[Said](answered.fileno(), asked.fileno(), Said)
        said = self._exchange(self._begin, BEGIN)
        if said.error:
            self.close()
            raise Corrupt(what="The model does not load in its own environment", found=said.error)
        return child

    def _start(self, held: ExitStack) -> Start:
        """How the child is started, with what it needs until `held` is closed."""
        command = [str(self._python), "-P", "-m", "penstock.adapters.predictor.native_child"]
        folder = self._python.parent
        if self._isolation is None:
            return Start(command=command, folder=folder, variables={**os.environ, **_QUIET})
        own = held.enter_context(self._isolation.place())
        program = Program(
            command=command,
            folder=folder,
            variables=plain_variables(own) | _QUIET,
            writes=[own],
            reads=[folder.parent, Path(self._begin.file)],
            limits=limits(_LIFE),
        )
        return held.enter_context(self._isolation.enclosed(program))

    def _exchange(self, message: object, patience: float) -> Said:
        child, why = self._child, "it did not answer in time"
        try:
            self._channel.send(message)
            if (said := self._channel.receive(patience)) is not None:
                self.memory = said.memory
                return said
        except (OSError, EOFError, msgspec.DecodeError) as error:
            why = str(error)
        self.close()
        raise Unavailable(
            what="The process of the model died",
            found=why or f"it ended with {child.returncode}",
            fix="Ask again: another one is begun.",
        )


def resident(pid: int | str = "self") -> int:
    """The bytes that a process holds."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _end(child: subprocess.Popen[bytes], *, isolated: bool) -> None:
    """End a child: at once, or soon by its supervisor, which ends all that it has started."""
    for pipe in (child.stdin, child.stdout):
        if pipe:
            pipe.close()
    if isolated:
        child.terminate()
    else:
        child.kill()
        child.wait()


def _after(child: subprocess.Popen[bytes], held: ExitStack) -> None:
    """Remove what an isolated child had, once it has ended: nobody waits for that."""
    child.wait()
    held.close()
