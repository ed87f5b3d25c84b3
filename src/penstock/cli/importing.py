"""Bringing a model that was made elsewhere into the registry."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from penstock.cli.face import ActorOption, Api, ProjectOption, prints
from penstock.cli.pages import Facts, Page
from penstock.core.errors import InvalidValue, NotFound, StepFailed, Unavailable

PIECE = 4 << 20
"""Bytes of a file that are sent at once."""
POLL = 0.25
"""Seconds between looks at a run that is waited for."""
FACTS = (
    "version=id",
    "format",
    "task=signature.task",
    "inputs",
    "metrics",
    "parity",
    "served natively=metadata.served_natively",
    "imported by=governance.actor",
    "from=governance.imported.from",
    "digest=governance.imported.digest",
    "pickle read because=governance.imported.unsafe",
    "run",
)
TABLES = {".csv": "csv", ".parquet": "parquet", ".pq": "parquet"}


@prints
def import_model(
    *,
    api: Api,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The model that it becomes a version of.")],
    path: Annotated[
        Path, typer.Argument(metavar="PATH", help="A file .onnx or .skops, or a model folder of MLflow.")
    ],
    examples: Annotated[
        Path | None,
        typer.Option("--examples", metavar="FILE", help="Rows as clients will send them: CSV or Parquet."),
    ] = None,
    label: Annotated[
        str, typer.Option("--label", metavar="COLUMN", help="What really happened, a column of the examples.")
    ] = "",
    format: Annotated[  # noqa: A002 - the option's name
        str, typer.Option("--format", help="onnx, skops, mlflow or pickle, if its name does not tell.")
    ] = "",
    unsafe: Annotated[
        str,
        typer.Option(
            "--unsafe-pickle", metavar="REASON", help="Read it even if it is a pickle, which runs code."
        ),
    ] = "",
    project: ProjectOption = "",
    actor: ActorOption = "",
) -> Page:
    """Make a version of a model that was made elsewhere; it goes through gates like any other."""
    if not api.get("/status")["running"]:
        raise Unavailable(
            what="An import is a run of the system, which does not run.", fix="Start it with penstock up."
        )
    files = _files(path)
    rows = _table(examples) if examples else ""
    sent = {at: _sent(api, file, project) for at, file in files.items()}
    begun = api.post(
        "/imports",
        name=name,
        files=sent,
        source=str(path.resolve()),
        format=format,
        examples=_sent(api, examples, project) if examples else None,
        rows=rows,
        label=label,
        unsafe=unsafe,
        project=project,
        actor=actor,
    )
    version = _version(api, name, _ended(api, begun["run"]))
    shown = {**version, "inputs": [column["name"] for column in version["signature"]["inputs"]]}
    ref = version["id"]
    hints = (f"penstock models card {ref}", f"penstock promote {ref} --to {begun['environment']}")
    return Page(version, (Facts(shown, FACTS),), hints)


def _files(path: Path) -> dict[str, Path]:
    """The files to send by their paths in the folder. Raises NotFound and InvalidValue."""
    if path.is_file():
        return {path.name: path}
    if not path.is_dir():
        raise NotFound(what=f"There is no file or folder {path}.")
    if not (path / "MLmodel").is_file():
        raise InvalidValue(
            what=f"{path} is no model folder of MLflow",
            expected="a file MLmodel in it",
            found=", ".join(sorted(each.name for each in path.iterdir())[:5]) or "nothing",
        )
    return {str(each.relative_to(path)): each for each in sorted(path.rglob("*")) if each.is_file()}


def _table(examples: Path) -> str:
    if not examples.is_file():
        raise NotFound(what=f"There is no file {examples}.")
    if examples.suffix.lower() not in TABLES:
        raise InvalidValue(
            what="The examples cannot be read", expected="a file .csv or .parquet", found=examples.name
        )
    return TABLES[examples.suffix.lower()]


def _sent(api: Api, file: Path, project: str) -> list[str]:
    """Send a file piece by piece; gives the digests."""
    return [
        api.post("/imports/pieces", data=base64.b64encode(piece).decode(), project=project)["digest"]
        for piece in _pieces(file)
    ]


def _pieces(file: Path) -> Iterator[bytes]:
    with file.open("rb") as opened:
        while piece := opened.read(PIECE):
            yield piece


def _ended(api: Api, run: str) -> str:
    """The run, once it has succeeded. Raises StepFailed with what it says when it has not."""
    while (found := api.get(f"/runs/{run}"))["status"] in {"queued", "running"}:
        time.sleep(POLL)
    if found["status"] != "succeeded":
        error = next((step["error"] for step in found["steps"] if step["error"]), found["error"])
        raise StepFailed(what=error or f"Run {run} {found['status']}.")
    return run


def _version(api: Api, name: str, run: str) -> dict[str, Any]:
    """The version that a run made. Raises StepFailed where the registry took none."""
    while True:
        made = [each for each in api.items("/versions", model=name, limit=100) if each["run"] == run]
        if made:
            return made[0]
        told = api.items("/events", subject=f"run:{run}", kind="version.refused")
        if told:
            raise StepFailed(what=told[0]["evidence"]["error"])
        time.sleep(POLL)
