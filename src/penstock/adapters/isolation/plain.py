"""No isolation but a process of its own: limits and process trees protect from mistakes, not from malice."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from penstock.adapters.isolation.program import Program, Start

WORK = "work"
"""The folder of a home where programs that run now have theirs."""


class PlainProcess:
    """An `Isolation` that lets a program do what the user of the system may do."""

    shuts = False

    def __init__(self, home: Path) -> None:
        self._home = home

    @contextmanager
    def enclosed(self, program: Program) -> Iterator[Start]:
        """See `Isolation.enclosed`."""
        yield Start(
            command=program.command,
            folder=program.folder,
            variables=program.variables,
            limits=program.limits,
        )

    @contextmanager
    def place(self) -> Iterator[Path]:
        """See `Isolation.place`."""
        with new_folder(self._home) as folder:
            yield folder

    def prove(self) -> None:
        """See `Isolation.prove`."""
        forget_work(self._home)


@contextmanager
def new_folder(home: Path) -> Iterator[Path]:
    """A new folder below the home's work, removed at the end with whatever was put into it."""
    work = home / WORK
    work.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=work))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def forget_work(home: Path) -> None:
    """Remove the folders that programs of a killed system have left."""
    shutil.rmtree(home / WORK, ignore_errors=True)
