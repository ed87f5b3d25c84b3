"""A look at all pipelines of a project: drawn in the project's own environment, handed on as data."""

from __future__ import annotations

from pathlib import Path

import msgspec

from penstock.core.errors import PenstockError
from penstock.pipelines.loading import draw_target, find_features, find_pipelines, require_asked
from penstock.pipelines.types import Graph


class Drawing(msgspec.Struct, frozen=True, kw_only=True):
    """A pipeline's graph, or in `error` the sentence that says why it cannot be drawn."""

    target: str
    graph: Graph | None = None
    error: str = ""


class Survey(msgspec.Struct, frozen=True, kw_only=True):
    """All pipelines of a project, and its modules with `features`: feature views.

    `error` is set when they cannot even be found, or when a file of expectations is of none of them.
    """

    drawings: tuple[Drawing, ...] = ()
    features: tuple[str, ...] = ()
    error: str = ""


def survey(folder: str) -> Survey:
    """Find and draw every pipeline of the project in `folder`, importing all its modules."""
    try:
        targets = find_pipelines(folder)
    except PenstockError as error:
        return Survey(error=str(error))
    drawings = tuple(_drawing(target, folder) for target in targets)
    if not any(drawing.error for drawing in drawings):
        try:
            require_asked([drawing.graph for drawing in drawings if drawing.graph], Path(folder))
        except PenstockError as error:
            return Survey(drawings=drawings, error=str(error))
    return Survey(drawings=drawings, features=tuple(find_features(folder)))


def _drawing(target: str, folder: str) -> Drawing:
    try:
        return Drawing(target=target, graph=draw_target(target, folder))
    except PenstockError as error:
        return Drawing(target=target, error=str(error))
