"""Models that only their own library answers: each in a child process of its release's environment."""

from __future__ import annotations

import os
import subprocess
import threading
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, cast

import msgspec

from penstock.core.channel import Channel
from penstock.core.errors import Corrupt, InvalidRequest, Unavailable
from penstock.models.types import Signature

BEGIN = 120.0
"""Seconds that a child is given to import its libraries and load the model."""
LONGEST = 60.0
"""Seconds that an answer may take."""


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
    """What a child says: an answer, or in `error` why there is none."""

    score: list[float] = []
    label: list[str] = []
    probabilities: list[list[float]] = []
    error: str = ""


class ChildRuntime:
    """A model in a child process, which is begun again when it has died. Questions are asked one by one."""

    def __init__(
        self, python: Path, file: Path, model_format: str, signature: Signature, code: str = ""
    ) -> None:
        """Raises Unavailable where the environment is not there, Corrupt where the model does not load."""
        if not python.exists():
            raise Unavailable(
                what="The environment in which the model is served is gone",
                found=f"nothing at {python.parent.parent.name}",
                fix="A system that runs makes it anew from the lock of the release, which takes a while.",
            )
        self._python = python
        self._begin = Begin(str(file), model_format, signature, code)
        self._asking = threading.Lock()
        self._child = self._started()

    @property
    def pid(self) -> int:
        """The process that answers."""
        return self._child.pid

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
        command = [str(self._python), "-P", "-m", "penstock.adapters.predictor.native_child"]
        quiet = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", "PYTHONUNBUFFERED": "1"}
        # A process of its own group: what the terminal interrupts is for its parent to end.
        child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **quiet},
            start_new_session=True,
        )
        weakref.finalize(self, _end, child)
        asked, answered = cast("IO[bytes]", child.stdin), cast("IO[bytes]", child.stdout)
        self._child, self._channel = child, Channel[Said](answered.fileno(), asked.fileno(), Said)
        said = self._exchange(self._begin, BEGIN)
        if said.error:
            _end(child)
            raise Corrupt(what="The model does not load in its own environment", found=said.error)
        return child

    def _exchange(self, message: object, patience: float) -> Said:
        child, why = self._child, "it did not answer in time"
        try:
            self._channel.send(message)
            if (said := self._channel.receive(patience)) is not None:
                return said
        except (OSError, EOFError, msgspec.DecodeError) as error:
            why = str(error)
        _end(child)
        raise Unavailable(
            what="The process of the model died",
            found=why or f"it ended with {child.returncode}",
            fix="Ask again: another one is begun.",
        )


def _end(child: subprocess.Popen[bytes]) -> None:
    for pipe in (child.stdin, child.stdout):
        if pipe:
            pipe.close()
    child.kill()
    child.wait()
