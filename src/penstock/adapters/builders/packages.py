"""The `uv` program: makes environments and wheels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import uv

from penstock.adapters.builders.processes import Processes
from penstock.adapters.builders.surroundings import with_index
from penstock.core.errors import InvalidProject

TIMEOUT = 1800.0
"""Seconds after which uv is given up."""
_REASON = 600
_DRAWN = "\N{MULTIPLICATION SIGN}"


class Packages:
    """Runs uv with the machine's package index and nothing else of the machine."""

    def __init__(self, processes: Processes) -> None:
        self._processes = processes

    def run(
        self,
        arguments: Sequence[str],
        *,
        folder: Path,
        log: Path,
        failed: str,
        also: Mapping[str, str] | None = None,
    ) -> None:
        """Run uv in a folder; its output is added to `log`.

        Raises InvalidProject with the sentence `failed` and uv's reason, and what `Processes.run` raises.
        """
        before = log.stat().st_size if log.exists() else 0
        status = self._processes.run(
            [uv.find_uv_bin(), *arguments],
            folder=folder,
            variables=with_index() | dict(also or {}),
            log=log,
            timeout=TIMEOUT,
        )
        if status != 0:
            with log.open("rb") as output:
                output.seek(before)
                said = output.read().decode(errors="replace")
            raise InvalidProject(what=failed, found=reason(said))


def reason(said: str) -> str:
    """What uv says went wrong, in one line: from where it says `error` or draws a cross."""
    lines = [line.strip() for line in said.splitlines()]
    start = next((n for n, line in enumerate(lines) if line.startswith(("error", _DRAWN))), len(lines) - 1)
    words = " ".join(line.strip(_DRAWN + "╰─▶│├ ") for line in lines[start:] if line)
    return words[:_REASON].rstrip(".") or "no message"
