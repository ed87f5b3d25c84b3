"""GET of bytes: what can be had of a release."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from penstock.app.wiring import App
from penstock.builds.types import Output
from penstock.core.errors import NotFound
from penstock.core.words import meant

_PIECE = 1 << 20
_OUTPUT = re.compile(r"/releases/([^/]+)/outputs/([^/]+)")


class Download(NamedTuple):
    """What is downloaded, and its bytes piece by piece."""

    output: Output
    pieces: Iterator[bytes]


def is_download(path: str) -> bool:
    """Whether bytes are what is asked for at a path."""
    return _OUTPUT.fullmatch(path) is not None


def download(app: App, path: str) -> Download:
    """The output of a release at `/releases/{ref}/outputs/{name}`. Raises NotFound and Corrupt."""
    asked = _OUTPUT.fullmatch(path)
    if not asked:
        raise NotFound(what=f"There is nothing to download at {path}.")
    release, name = app.releases.find(asked[1]), asked[2]
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
    return Download(output, _pieces([Path(app.blobs.path(part)) for part in output.parts]))


def _pieces(files: list[Path]) -> Iterator[bytes]:
    for file in files:
        with file.open("rb") as source:
            while piece := source.read(_PIECE):
                yield piece
