"""Releases: what there is, what is in one, and getting what can be had of it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from penstock.cli.face import Api, ProjectOption, prints
from penstock.cli.help import group
from penstock.cli.pages import Facts, Page, Table
from penstock.core.sizes import size_text

releases = group(help="Releases, the newest first; show one, or get what can be had of it.")
ReleaseArgument = Annotated[str, typer.Argument(metavar="RELEASE", help="A release's number or digest.")]


def register(app: typer.Typer) -> None:
    """Add the commands of releases."""
    releases.callback(invoke_without_command=True)(listed)
    for command in (show, get):
        releases.command()(command)
    app.add_typer(releases, name="releases", rich_help_panel="Delivery")


@prints
def listed(api: Api, project: ProjectOption = "") -> Page:
    """Releases, the newest first; show one, or get what can be had of it."""
    items = api.items("/releases", project=project)
    columns = ("release=number", "digest=id", "project", "commit", "build", "created")
    table = Table(items, columns, "There are no releases yet: a green build makes one.")
    return Page(
        {"items": items}, (table,), (f"penstock releases show {items[0]['number']}",) if items else ()
    )


@prints
def show(api: Api, release: ReleaseArgument) -> Page:
    """What is in a release: its outputs with their digests and sizes, and its pipelines."""
    found = api.get(f"/releases/{release}")
    columns = ("release=number", "digest=id", "project", "commit", "build", "created")
    rows = [{**graph, "steps": [node["name"] for node in graph["nodes"]]} for graph in found["graphs"]]
    pipelines = Table(rows, ("pipeline", "target", "steps"), "It has no pipelines.")
    outputs = [_row(output) for output in found["outputs"]]
    shown = Table(outputs, ("output=name", "file", "size", "sha256=digest"), "Nothing can be had of it.")
    number = found["number"]
    hints = (f"penstock releases get {number} executable", f"penstock promote {number} --to ENV")
    waived = [Table(found["waived"], ("test=name", "outcome", "message"), "")] if found["waived"] else []
    return Page(found, (Facts(found, columns), shown, pipelines, *waived), hints)


@prints
def get(
    api: Api,
    release: ReleaseArgument,
    output: Annotated[
        str,
        typer.Argument(
            metavar="OUTPUT",
            help="wheel, lock, requirements, executable, sbom, manifest or provenance.",
        ),
    ],
    file: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Where to, if not its usual name.")
    ] = None,
) -> Page:
    """Download what can be had of a release, and check its digest."""
    path = f"/releases/{release}/outputs/{output}"
    found = api.get(f"/releases/{release}")
    told: dict[str, Any] = next((o for o in found["outputs"] if o["name"] == output), {})
    place = file or Path(told.get("file") or output).name
    place = Path(place)
    _write(api, path, place, told)
    answer = {**told, "path": str(place.resolve())}
    return Page(answer, (f"{place}: {size_text(told['size'])}, sha256 {told['digest']}",))


def _write(api: Api, path: str, place: Path, told: dict[str, Any]) -> None:
    """Write the file beside its place, and move it there once it is known to be complete."""
    from penstock.core.digests import Digesting
    from penstock.core.errors import StorageFailed

    pieces = api.pieces(path)
    try:
        with tempfile.NamedTemporaryFile(dir=place.resolve().parent, suffix=".part", delete=False) as part:
            file = Digesting(part.file)
            try:
                for piece in pieces:
                    file.write(piece)
                part.close()
                _compare(path, file.digest, told["digest"])
                mode = 0o777 if told["name"] == "executable" else 0o666
                Path(part.name).chmod(mode & ~_umask())
                Path(part.name).replace(place)
            except BaseException:
                Path(part.name).unlink(missing_ok=True)
                raise
    except OSError as error:
        raise StorageFailed(
            what=f"{place} cannot be written: {error.strerror}.", fix="Name another file with -o."
        ) from error


def _compare(path: str, found: str, expected: str) -> None:
    from penstock.core.errors import Corrupt

    if found != expected:
        raise Corrupt(what=f"{path} is not what was released", expected=expected, found=found)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _row(output: dict[str, Any]) -> dict[str, Any]:
    return {**output, "size": size_text(output["size"]) if output["size"] else ""}
