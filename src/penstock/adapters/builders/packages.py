"""The `uv` program: makes environments and wheels."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import uv

from penstock.adapters.builders.processes import Processes
from penstock.adapters.builders.surroundings import with_index
from penstock.core.errors import InvalidProject, Unavailable

TIMEOUT = 1800.0
"""Seconds after which uv is given up."""
_REASON = 600
_READ = 256 * 1024
_NETWORK = re.compile(
    r"error sending request|dns error|tcp connect|connection (refused|reset|closed)|timed out|timeout"
    r"|HTTP status server error|\b429 Too Many Requests|error decoding response body|network"
    r"|No space left on device|Disk quota exceeded|File too large",
    re.IGNORECASE,
)
_DRAWN = "\N{MULTIPLICATION SIGN}"


class Packages:
    """Runs uv with the machine's package index and nothing else of the machine."""

    def __init__(self, processes: Processes) -> None:
        self._processes = processes

    def install(
        self, arguments: Sequence[str], *, python: Path, folder: Path, scratch: Path, log: Path, failed: str
    ) -> None:
        """Install for a Python what is pinned: from uv's cache, or from the index where that lacks something.

        Asking the index about packages that are there takes longer than all the rest. `scratch` is a folder
        for notes. Raises as `run` does.
        """
        command = ["pip", "install", "--python", str(python), *arguments]
        try:
            self.run([*command, "--offline"], folder=folder, log=scratch / "offline.log", failed=failed)
        except (InvalidProject, Unavailable):
            self.run(command, folder=folder, log=log, failed=failed)

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

        Raises InvalidProject with the sentence `failed` and uv's reason; Unavailable with the same where
        that is the network, the index or the disk; and what `Processes.run` raises.
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
                size = output.seek(0, 2)
                output.seek(max(before if before <= size else 0, size - _READ))
                said = output.read().decode(errors="replace")
            error = Unavailable if is_passing(said) else InvalidProject
            raise error(what=failed, found=reason(said))


def is_passing(said: str) -> bool:
    """Whether what uv says may be otherwise in a while: of the network, the package index or the disk."""
    return bool(_NETWORK.search(said))


def reason(said: str) -> str:
    """What uv says went wrong, in one line: from where it says `error` or draws a cross."""
    lines = [line.strip() for line in said.splitlines()]
    start = next((n for n, line in enumerate(lines) if line.startswith(("error", _DRAWN))), len(lines) - 1)
    words = " ".join(line.strip(_DRAWN + "╰─▶│├ ") for line in lines[start:] if line)
    return words[:_REASON].rstrip(".") or "no message"
