"""Draws a project's pipelines in a process of their own: this one never imports a user's code."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from penstock.core.errors import InvalidPipeline

if TYPE_CHECKING:
    from penstock.pipelines.types import Graph

TIMEOUT = 120.0
"""Seconds after which drawing is given up."""


def draw_pipelines(folder: Path) -> list[Graph]:
    """Every pipeline of the project in `folder`, drawn in the Python that runs this.

    Raises InvalidPipeline for the first that cannot be drawn.
    """
    from penstock.pipelines.survey import Survey

    with tempfile.TemporaryDirectory(prefix="penstock-check-") as scratch:
        told = Path(scratch, "survey.json")
        command = [sys.executable, "-m", "penstock.pipelines", str(folder), str(told)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
        except subprocess.TimeoutExpired:
            raise InvalidPipeline(
                what=f"The pipelines are not drawn within {TIMEOUT:.0f} seconds.",
                fix="Importing the project's modules must not start any work.",
            ) from None
        if done.returncode:
            said = done.stderr.strip().splitlines()
            raise InvalidPipeline(
                what="The process that draws the pipelines failed",
                found=said[-1] if said else f"exit status {done.returncode}",
            )
        survey = msgspec.json.decode(told.read_bytes(), type=Survey)
    for error in (survey.error, *(drawing.error for drawing in survey.drawings)):
        if error:
            raise InvalidPipeline(what=error)
    return [drawing.graph for drawing in survey.drawings if drawing.graph]
