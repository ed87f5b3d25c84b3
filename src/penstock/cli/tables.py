"""Which table is meant: a file, a source of the project here, or a snapshot."""

from __future__ import annotations

from base64 import b64decode
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from penstock.cli.drawing import draw_pipelines
from penstock.cli.face import Api, project_folder
from penstock.core.errors import InvalidValue, NotFound
from penstock.core.words import meant
from penstock.datasets.types import Source

if TYPE_CHECKING:
    from penstock.datasets.sketches import Sketch


class Looked(NamedTuple):
    """The sketch of a table, what it is called, and the rows that were left out of it."""

    name: str
    sketch: Sketch
    malformed: int = 0
    left_out: list[dict[str, Any]] = []  # noqa: RUF012 a default that nobody changes


def looked_at(api: Api, ref: str, data_root: Path | None, as_of: datetime | None) -> Looked:
    """Read the table that is meant and make its sketch. Raises NotFound and InvalidValue."""
    from penstock.datasets.sketches import Sketch
    from penstock.datasets.sketching import sketch
    from penstock.datasets.snapshots import rows_of

    if is_file(ref):
        return Looked(ref, of_file(Path(ref)))
    if ":" in ref:
        about = api.get(f"/snapshots/{ref}")
        kept = b64decode(api.get(f"/snapshots/{ref}/sketch")["sketch"])
        left_out = msgspec.to_builtins(about["left_out"])
        return Looked(ref, msgspec.msgpack.decode(kept, type=Sketch), about["quarantined"], left_out)
    rows, malformed, reasons = rows_of(
        source_of(ref), data_root or project_folder(), as_of or datetime.now(UTC)
    )
    return Looked(ref, sketch(rows), malformed, msgspec.to_builtins(reasons))


def of_file(path: Path) -> Sketch:
    """The sketch of a file. Raises NotFound, and InvalidValue for what is no table."""
    import polars as pl

    from penstock.datasets.singles import file_table
    from penstock.datasets.sketching import sketch

    try:
        return sketch(file_table(path))
    except pl.exceptions.PolarsError as error:
        what = f"{path} cannot be read as a table"
        raise InvalidValue(what=what, found=str(error).split("\n")[0]) from error


def is_file(ref: str) -> bool:
    """Whether a file is meant."""
    from penstock.datasets.listing import FORMATS

    return Path(ref).suffix in FORMATS or Path(ref).is_file()


def source_of(name: str) -> Source:
    """The source of this name that a pipeline of the project here reads. Raises NotFound."""
    found = {
        node.settings["source"]["name"]: node.settings["source"]
        for graph in draw_pipelines(project_folder())
        for node in graph.nodes
        if node.kind == "snapshot"
    }
    if name not in found:
        raise NotFound(
            what=f"No pipeline here reads a source `{name}`, and there is no such file",
            fix=meant(name, found) or f"Sources here: {', '.join(sorted(found)) or 'none'}.",
        )
    return msgspec.convert(found[name], Source)
