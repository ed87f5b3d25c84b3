"""Files that a program of a project has written, read without being led elsewhere by them."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

from penstock.core.errors import InvalidProject


def open_written(file: Path) -> BinaryIO:
    """Open a file for reading. Raises InvalidProject for a link, or anything else that is no plain file."""
    try:
        number = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _strange(file) from error
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise _strange(file)
    return os.fdopen(number, "rb")


def written(file: Path) -> Path:
    """The file itself, if it is one; once its program has ended. Raises as `open_written`."""
    open_written(file).close()
    return file


def _strange(file: Path) -> InvalidProject:
    return InvalidProject(
        what=f"{file.name} is not a plain file after the project's code has run",
        fix="A build reads no links that its programs make.",
    )
