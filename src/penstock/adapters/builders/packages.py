"""The `uv` program: makes environments and wheels."""

from __future__ import annotations

import os
import re
import shutil
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
        self,
        arguments: Sequence[str],
        *,
        python: Path,
        folder: Path,
        scratch: Path,
        log: Path,
        failed: str,
        within: Path,
        writes: Sequence[Path] = (),
        reads: Sequence[Path],
    ) -> None:
        """Install for a Python what is pinned: from uv's cache, or from the index where that lacks something.

        Asking the index about packages that are there takes longer than all the rest. `scratch` is a folder
        for notes. Isolated and raises as `run` does.
        """
        command = ["pip", "install", "--python", str(python), *arguments]

        def uv(command: Sequence[str], log: Path) -> None:
            self.run(
                command, folder=folder, log=log, failed=failed, within=within, writes=writes, reads=reads
            )

        try:
            uv([*command, "--offline"], scratch / "offline.log")
        except (InvalidProject, Unavailable):
            uv(command, log)

    def run(
        self,
        arguments: Sequence[str],
        *,
        folder: Path,
        log: Path,
        failed: str,
        also: Mapping[str, str] | None = None,
        within: Path | None = None,
        writes: Sequence[Path] = (),
        reads: Sequence[Path] = (),
    ) -> None:
        """Run uv in a folder; its output is added to `log`.

        Where it may run code of a project, it is isolated `within` a folder of its own, and may also write to
        and read what is named.

        Raises InvalidProject with the sentence `failed` and uv's reason; Unavailable with the same where
        that is the network, the index or the disk; and what `Processes.run` raises.
        """
        before = log.stat().st_size if log.exists() else 0
        status = self._processes.run(
            [uv.find_uv_bin(), *arguments],
            folder=folder,
            variables=with_index() | self._own(within) | dict(also or {}),
            log=log,
            timeout=TIMEOUT,
            writes=(*([within] if within else []), *writes),
            reads=(folder, Path(uv.find_uv_bin()), *reads),
            trusted=within is None,
        )
        if status != 0:
            with log.open("rb") as output:
                size = output.seek(0, 2)
                output.seek(max(before if before <= size else 0, size - _READ))
                said = output.read().decode(errors="replace")
            error = Unavailable if is_passing(said) else InvalidProject
            raise error(what=failed, found=reason(said))

    def _own(self, within: Path | None) -> dict[str, str]:
        """What an isolated uv has for itself: a home with the machine's settings, and a cache.

        A cache that it shared would bring the code of one project into the environment of another.
        """
        if within is None or not self._processes.shut:
            return {}
        home = within / ".uv"
        if not home.exists():
            (home / ".config" / "uv").mkdir(parents=True)
            settings = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config", "uv", "uv.toml")
            if settings.is_file():
                shutil.copyfile(settings, home / ".config" / "uv" / "uv.toml")
        return {
            "HOME": str(home),
            "TMPDIR": str(home),
            "UV_CACHE_DIR": str(home / "cache"),
            "XDG_CONFIG_HOME": str(home / ".config"),
            "XDG_CACHE_HOME": str(home),
            "XDG_DATA_HOME": str(home),
        }


def is_passing(said: str) -> bool:
    """Whether what uv says may be otherwise in a while: of the network, the package index or the disk."""
    return bool(_NETWORK.search(said))


def reason(said: str) -> str:
    """What uv says went wrong, in one line: from where it says `error` or draws a cross."""
    lines = [line.strip() for line in said.splitlines()]
    start = next((n for n, line in enumerate(lines) if line.startswith(("error", _DRAWN))), len(lines) - 1)
    words = " ".join(line.strip(_DRAWN + "╰─▶│├ ") for line in lines[start:] if line)
    return words[:_REASON].rstrip(".") or "no message"
