"""Draws a project's pipelines in a process of their own: this one never imports a user's code."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from penstock.core.errors import InvalidPipeline, PenstockError, from_dict

if TYPE_CHECKING:
    from penstock.pipelines.types import Graph

TIMEOUT = 120.0
"""Seconds after which drawing is given up."""


def draw_pipelines(folder: Path) -> tuple[Graph, ...]:
    """Every pipeline of the project in `folder`. Raises InvalidPipeline, or what drawing raised."""
    from penstock.pipelines.types import Graph

    command = [sys.executable, "-m", "penstock.cli.drawing", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        raise InvalidPipeline(
            what=f"The pipelines are not drawn within {TIMEOUT:.0f} seconds.",
            fix="Importing the project's modules must not start any work.",
        ) from None
    if done.returncode == PenstockError.exit_code:
        raise from_dict(msgspec.json.decode(done.stdout, type=dict[str, str]))
    if done.returncode:
        raise InvalidPipeline(
            what="The process that draws the pipelines ended", found=f"exit status {done.returncode}"
        )
    return msgspec.json.decode(done.stdout, type=tuple[Graph, ...])


def draw_here(folder: Path) -> int:
    """Draw in this process and write the graphs, or the error, as JSON; gives the exit status.

    What the project's modules print goes to standard error.
    """
    from penstock.pipelines.loading import draw_target, find_pipelines

    try:
        with contextlib.redirect_stdout(sys.stderr):
            answer: object = [draw_target(target, folder) for target in find_pipelines(folder)]
            status = os.EX_OK
    except PenstockError as error:
        answer, status = error.as_dict(), error.exit_code
    sys.stdout.write(msgspec.json.encode(answer).decode())
    return status


if __name__ == "__main__":
    sys.exit(draw_here(Path(sys.argv[1])))
