"""A program of a project, and what it means to start one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

SUPERVISOR = str(Path(__file__).with_name("supervisor.py"))


@dataclass(frozen=True, kw_only=True)
class Program:
    """What is to be started in `folder`, with these variables and no others.

    It may write below the folders `writes`, which exist, and see `reads` and the programs of the machine;
    what else it reaches is up to the isolation. `limits` are those of `adapters.isolation.limits`.
    """

    command: Sequence[str]
    folder: Path
    variables: Mapping[str, str]
    writes: Sequence[Path] = ()
    reads: Sequence[Path] = ()
    limits: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Start:
    """How a program is started: what the supervisor runs, in which folder and with which variables.

    `user` are the numbers of the user and group that it becomes; `after` is a command that ends for good
    what ending the processes may leave. Where `coded`, an end by signal n is told as the status 128 + n.
    """

    command: Sequence[str]
    folder: Path
    variables: Mapping[str, str]
    limits: Mapping[str, int] = field(default_factory=dict)
    user: tuple[int, int] | None = None
    after: Sequence[str] = ()
    coded: bool = False

    def launch(self, *, supervised: bool = True, **streams: Any) -> subprocess.Popen[bytes]:
        """Start it in a session of its own, under a supervisor; `streams` are those of Popen.

        What ends by itself with whoever started it needs no supervisor, as long as it is not isolated.
        """
        supervisor = supervision(os.getpid(), self.limits, self.user, self.after)
        return subprocess.Popen(
            [*(supervisor if supervised else []), *self.command],
            cwd=self.folder,
            env=dict(self.variables),
            start_new_session=True,
            **streams,
        )

    def status(self, status: int) -> int:
        """The exit status of the program, negative for a signal, from that of the supervisor."""
        return 128 - status if self.coded and 128 < status < 160 else status

    def finish(self) -> None:
        """Do what is to be done when its processes have ended; may be done again."""
        if self.after:
            subprocess.run(self.after, capture_output=True, check=False, timeout=120)


def supervision(
    parent: int, limits: Mapping[str, int], user: tuple[int, int] | None = None, after: Sequence[str] = ()
) -> list[str]:
    """The words before a command that make a child of `parent` its supervisor."""
    allowed = ",".join(f"{name}={most}" for name, most in limits.items())
    who = f"{user[0]}:{user[1]}" if user else ""
    python = os.path.realpath(sys.executable)
    return [python, "-IS", SUPERVISOR, str(parent), allowed, who, *after, "--"]


class Isolation(Protocol):
    """A way to keep programs of projects apart from the home."""

    @property
    def shuts(self) -> bool:
        """Whether programs can neither read the home's secrets nor write to its blobs and logs."""
        ...

    def enclosed(self, program: Program) -> AbstractContextManager[Start]:
        """How to start a program; inside of the block it has what it needs, after it nothing is left of that.

        Raises Unavailable with a sentence where the machine has not what that takes.
        """
        ...

    def place(self) -> AbstractContextManager[Path]:
        """A new folder for a program to write to, as long as the block lasts."""
        ...

    def prove(self) -> None:
        """Try it out, and end what a system of this home that was killed has left.

        Raises Unavailable or InvalidValue with what is missing, and what to do.
        """
        ...
