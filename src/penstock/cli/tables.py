"""Which table is meant: a file, a source of the project here, or a snapshot."""

from __future__ import annotations

import os
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
    import polars as pl

    from penstock.datasets.expectations import Violation
    from penstock.datasets.sketches import Sketch
    from penstock.datasets.snapshots import Rows


class Looked(NamedTuple):
    """The sketch of a table, what it is called, and the rows that were left out of it."""

    name: str
    sketch: Sketch
    malformed: int = 0
    left_out: list[dict[str, Any]] = []  # noqa: RUF012 a default that nobody changes
    source: Source | None = None
    rows: pl.DataFrame | pl.LazyFrame | None = None
    """Of a source."""

    def key(self) -> tuple[str, ...]:
        """The key of a source that tells these rows apart; corrections have that of the row they correct."""
        from penstock.datasets.expectations import Expectations, Rules, check

        if self.source is None or self.rows is None or len(self.source.key) != 1:
            return ()
        unique = Expectations(columns={self.source.key[0]: Rules(unique=True)})
        return () if check(self.rows, unique, sketch=self.sketch) else self.source.key


def looked_at(api: Api, ref: str, data_root: Path | None, as_of: datetime | None) -> Looked:
    """Read the table that is meant and make its sketch. Raises NotFound and InvalidValue."""
    from penstock.datasets.sketches import Sketch
    from penstock.datasets.sketching import sketch

    if is_file(ref):
        return Looked(ref, of_file(Path(ref)))
    if ":" in ref:
        about = api.get(f"/snapshots/{ref}")
        kept = b64decode(api.get(f"/snapshots/{ref}/sketch")["sketch"])
        left_out = msgspec.to_builtins(about["left_out"])
        return Looked(ref, msgspec.msgpack.decode(kept, type=Sketch), about["quarantined"], left_out)
    source = msgspec.convert(_read_by(ref)[0]["source"], Source)
    rows, malformed, reasons = _known(source, data_root, as_of)
    return Looked(ref, sketch(rows), malformed, msgspec.to_builtins(reasons), source, rows)


def of_file(path: Path) -> Sketch:
    """The sketch of a file. Raises NotFound, and InvalidValue for what is no table."""
    from penstock.datasets.singles import file_table, readable
    from penstock.datasets.sketching import sketch

    with readable(path):
        return sketch(file_table(path))


def _known(source: Source, data_root: Path | None, as_of: datetime | None) -> Rows:
    """The rows of a source that were known then. Raises NotFound, InvalidValue."""
    from penstock.adapters.sources.bring import at_hand
    from penstock.datasets.snapshots import rows_of

    with at_hand(source, str(data_root or project_folder()), os.environ) as (there, root):
        return rows_of(there, root, as_of or datetime.now(UTC))


def is_file(ref: str) -> bool:
    """Whether a file is meant."""
    from penstock.datasets.listing import FORMATS

    return Path(ref).suffix in FORMATS or Path(ref).is_file()


def _read_by(name: str) -> list[dict[str, Any]]:
    """The settings of all nodes that read a source. Raises NotFound."""
    found: dict[str, list[dict[str, Any]]] = {}
    for graph in draw_pipelines(project_folder()):
        for node in graph.nodes:
            if node.kind == "snapshot":
                found.setdefault(node.settings["source"]["name"], []).append(node.settings)
    if name not in found:
        raise NotFound(
            what=f"No pipeline here reads a source `{name}`, and "
            + ("that is a folder" if Path(name).is_dir() else "there is no such file"),
            fix=meant(name, found) or f"Sources here: {', '.join(sorted(found)) or 'none'}.",
        )
    return found[name]


def expectations_file(name: str, *, new: bool = False) -> Path:
    """Where expectations of this name stand in the project here.

    Raises NotFound when there is no such file, or where it is to be `new`, InvalidValue when there is.
    """
    from penstock.datasets.expectation_files import FOLDER

    if Path(name).name != name:
        what = f"Expectations are of a source or feature view, and {name!r} is the name of none"
        raise InvalidValue(what=what, fix="Give the name with --name.")
    file = project_folder() / FOLDER / f"{name}.toml"
    if new and file.exists():
        raise InvalidValue(what=f"{file} is there already.", fix="Use --again to write over it.")
    if not new and not file.exists():
        others = sorted(each.stem for each in file.parent.glob("*.toml"))
        fix = meant(name, others) or f"Write it: penstock data expect {name}"
        raise NotFound(what=f"Nothing is expected of {name}: there is no {file}.", fix=fix)
    return file


def checked(
    ref: str, name: str, data_root: Path | None, as_of: datetime | None
) -> tuple[str, int, list[Violation]]:
    """What a source or a file is held against, by how many rules, and what of its rows is not as expected.

    No value is shown of columns that a model redacts or that a pipeline's feature view has tell of people.
    Raises NotFound, InvalidValue.
    """
    from penstock.datasets.expectation_files import read_file
    from penstock.datasets.expectations import check, hiding, rules_in
    from penstock.datasets.singles import file_table, readable
    from penstock.datasets.sketching import sketch
    from penstock.pipelines.loading import redacted

    whole = is_file(ref)
    named = name or (Path(ref).stem if whole else ref)
    file = expectations_file(named)
    expected = hiding(read_file(file, str(file)), redacted(project_folder()))
    if whole:
        with readable(Path(ref)):
            return named, rules_in(expected), check(file_table(Path(ref)), expected)
    read = _read_by(ref)
    source = msgspec.convert(read[0]["source"], Source)
    drawn = [each.get("expectations", {}).get(named, {}) for each in read]
    expected = hiding(expected, [column for each in drawn for column in each.get("hidden", ())])
    rows = _known(source, data_root, as_of).rows
    found = check(rows, expected, sketch=sketch(rows), named_by=source.named_by)
    return named, rules_in(expected), found
