"""The prediction service's processes, as the one that starts and stops them sees them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from penstock.core.errors import Unavailable

PATIENCE = 20.0
"""Seconds that the process is given to end by itself."""
END = b"end"
"""What the process is told; one that is told nothing has been left alone."""
_MEMORY = {
    "MALLOC_ARENA_MAX": "1",  # what a thread frees others may use: one receives a plan, another loads models
    "OPENBLAS_NUM_THREADS": "1",  # nothing here wants them, and it is copied
    "MALLOC_TRIM_THRESHOLD_": str(32 * 1024 * 1024),
    "MALLOC_MMAP_THRESHOLD_": str(1024 * 1024),  # else each longer body would come and go as pages
}
"""What keeps memory small, and keeps it: each time that the log was written, glibc gave back some megabytes,
whose pages the next requests had to be given anew.
"""


class PredictorProcess:
    """The prediction service of a home: a process that watches `processes` others, which answer. They end
    with the process that started them, however that ends; where they outlive it, they end when it says so.

    `port` 0 takes any free one, and keeps it when the service is started again.
    """

    def __init__(
        self,
        home: Path,
        port: int = 0,
        processes: int = 1,
        *,
        memory: int = 0,
        origins: Sequence[str] = (),
        online: str = "",
        isolation: str = "none",
        outlives: bool = False,
    ) -> None:
        """`memory` is the most bytes that a process may hold, 0 for any; `origins` are the sites whose pages
        may ask; `online` says where online values are, empty for the home; `isolation` how
        processes of models are kept from it. One that `outlives` a parent that is killed answers until the
        next one of its home begins.
        """
        self.url = ""
        self._home = home
        self._port = port
        self._options = ["--processes", str(processes), "--memory", str(memory)]
        self._options += [f"--origin={each}" for each in origins]
        self._options += ["--isolation", isolation, *(["--outlive"] * outlives)]
        self._online = {"PENSTOCK_ONLINE": online} if online else {}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The id of the process that watches, 0 while it is not running."""
        return self._process.pid if self._process else 0

    def start(self) -> None:
        """Start the process and wait until it answers. Raises Unavailable with its reason."""
        self.stop()
        logs = self._home / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "penstock.adapters.predictor"]
        with (logs / "predictor.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(*command, "--home", str(self._home), "--port", str(self._port)),
                    *self._options,
                ],
                env={**os.environ, **_MEMORY, **self._online},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,  # Ctrl-C reaches the parent, which stops its children in order
            )
        line = self._process.stdout.readline() if self._process.stdout else b""
        told = msgspec.json.decode(line, type=dict[str, str]) if line else {}
        if "url" not in told:
            self.stop()
            raise Unavailable(
                what=told.get("error")
                or f"The prediction process ended as it began; {logs / 'predictor.log'} says why."
            )
        self.url = told["url"]
        self._port = int(self.url.rpartition(":")[2])

    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """End the process; every answer it gave is in the log. Does nothing when it does not run."""
        process, self._process = self._process, None
        if process is None:
            return
        try:
            process.communicate(END, timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
