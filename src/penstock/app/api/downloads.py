"""GET of bytes: what can be had of a release, and the serialized models of versions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from penstock.app.wiring import App
from penstock.core.errors import NotFound
from penstock.core.words import meant

_PIECE = 1 << 20
_OUTPUT = re.compile(r"/releases/([^/]+)/outputs/([^/]+)")
_MODEL = re.compile(r"/models/([^/]+)/serialized")


class Download(NamedTuple):
    """What is downloaded: the usual name of the file, its size in bytes, and these piece by piece."""

    file: str
    size: int
    pieces: Iterator[bytes]


def is_download(path: str) -> bool:
    """Whether bytes are what is asked for at a path."""
    return bool(_OUTPUT.fullmatch(path) or _MODEL.fullmatch(path))


def download(app: App, path: str) -> Download:
    """The output of a release at `/releases/{ref}/outputs/{name}`, or the model of a version at
    `/models/{ref}/serialized`. Raises NotFound and Corrupt.
    """
    if asked := _OUTPUT.fullmatch(path):
        return _output(app, asked[1], asked[2])
    if asked := _MODEL.fullmatch(path):
        version = app.models.show(asked[1]).version
        return Download(
            f"{version.model}-{version.number}.{version.format}", version.size, _of(app, [version.artifact])
        )
    raise NotFound(what=f"There is nothing to download at {path}.")


def _output(app: App, ref: str, name: str) -> Download:
    release = app.releases.find(ref)
    outputs = {output.name: output for output in release.outputs}
    if name not in outputs:
        raise NotFound(
            what=f"Release {release.number} of {release.project} has no {name!r}",
            expected=f"one of {', '.join(outputs)}" if outputs else "",
            fix=meant(name, outputs),
        )
    output = outputs[name]
    if not output.parts:
        raise NotFound(
            what=f"The {name} is not kept in this home",
            fix=f"Get it with podman or docker: pull {output.file}.",
        )
    return Download(output.file, output.size, _of(app, output.parts))


def _of(app: App, digests: Sequence[str]) -> Iterator[bytes]:
    """The bytes of blobs, one after the other; they are there once this has returned."""
    return _pieces([Path(app.blobs.path(digest)) for digest in digests])


def _pieces(files: Sequence[Path]) -> Iterator[bytes]:
    for file in files:
        with file.open("rb") as source:
            while piece := source.read(_PIECE):
                yield piece
