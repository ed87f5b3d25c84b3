"""Runs as Python values that a notebook shows."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from penstock.adapters.blobs.folder import FolderBlobs
from penstock.adapters.formats.values import read
from penstock.app.experiments.html import run_html
from penstock.core.errors import NotFound
from penstock.core.words import meant
from penstock.lineage.ports import Blobs
from penstock.runs.types import Artifact

Get = Callable[..., Any]
"""What there is at a path, as JSON-like data; see `Connection.get`."""


class RunView:
    """A run by its number, as it is at each look."""

    def __init__(self, get: Get, blobs: Blobs | None, number: str) -> None:
        self._get = get
        self._blobs = blobs
        self.id = number

    @property
    def data(self) -> dict[str, Any]:
        """The run with its steps and metrics, as JSON-like data."""
        found: dict[str, Any] = self._get(f"/runs/{self.id}")
        return found

    @property
    def status(self) -> str:
        """`queued`, `running`, `succeeded`, `failed` or `cancelled`."""
        return str(self.data["status"])

    @property
    def params(self) -> dict[str, Any]:
        """The parameters by name."""
        return dict(self.data["params"])

    @property
    def metrics(self) -> dict[str, list[tuple[int, float]]]:
        """The metrics as `step.name`, each with its values by the caller's count."""
        found: dict[str, list[tuple[int, float]]] = {}
        for metric in self.data["metrics"]:
            found.setdefault(f"{metric['step']}.{metric['name']}", []).append(
                (metric["index"], metric["value"])
            )
        return {name: sorted(points) for name, points in found.items()}

    def result(self, step: str, output: str = "result", *, kind: Any = None) -> Any:
        """What a step returned, as the next step would get it; `kind` is the type that is asked for.

        Raises NotFound for a step or output that is not there (yet), and Corrupt.
        """
        steps = {each["name"]: each["outputs"] for each in self.data["steps"]}
        if step not in steps:
            raise NotFound(what=f"Run {self.id} has no step {step}.", fix=meant(step, steps))
        if output not in steps[step]:
            raise NotFound(
                what=f"The step {step} of run {self.id} has no output {output}",
                found=", ".join(steps[step]) or "none yet",
            )
        artifact = msgspec.convert(steps[step][output], Artifact)
        return read(artifact, self._blobs or self._fetched(step, output), kind)

    def _fetched(self, step: str, output: str) -> Blobs:
        """The bytes of an output from a server, kept until this process ends."""
        folder = tempfile.mkdtemp(prefix="penstock-result-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        blobs = FolderBlobs(Path(folder))
        blobs.put(b64decode(self._get(f"/runs/{self.id}/outputs/{step}/{output}")["data"]))
        return blobs

    def _repr_html_(self) -> str:
        return run_html(self.data, self._get(f"/runs/{self.id}/figures")["items"])

    def __repr__(self) -> str:
        """The run in a line."""
        data = self.data
        return f"run {self.id} of {data['pipeline']} {data['status']}"


class RunViews(Mapping[str, RunView]):
    """Runs by their number, the newest first."""

    def __init__(self, get: Get, blobs: Blobs | None) -> None:
        self._get = get
        self._blobs = blobs

    def __getitem__(self, number: str | int) -> RunView:
        """A run by its number. Raises KeyError."""
        try:
            self._get(f"/runs/{number}")
        except NotFound as error:
            raise KeyError(str(error)) from error
        return RunView(self._get, self._blobs, str(number))

    def __iter__(self) -> Iterator[str]:
        return iter([item["id"] for item in self._get("/runs", limit=0)["items"]])

    def __len__(self) -> int:
        return sum(1 for _ in self)
