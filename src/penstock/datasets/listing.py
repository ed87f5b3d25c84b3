"""The files of a source: those that can be read, and those that are still being written."""

from __future__ import annotations

from pathlib import Path, PurePath

from penstock.core.errors import InvalidValue, NotFound
from penstock.datasets.places import elsewhere
from penstock.datasets.types import Events, Quarantined, Source

FORMATS = {".csv": "csv", ".jsonl": "ndjson", ".ndjson": "ndjson", ".parquet": "parquet"}
_MARK = b"PAR1"
"""What a Parquet file begins and ends with; its end is written last.
Source: Apache Parquet format specification, "File format".
"""
_SMALLEST = 12
"""Bytes of a Parquet file: two marks, and between them the length of a footer."""


class Listing:
    """The files of a source, in order of their names, all of one format."""

    def __init__(self, paths: list[Path], form: str, unfinished: list[Quarantined]) -> None:
        self.paths = paths
        self.format = form
        self.unfinished = unfinished
        """One for each file that is left out, with the reason."""


def listing(source: Source, data_root: str | Path) -> Listing:
    """The files that can be read now. Those whose writing has not ended are left out and told of.

    What programs write under another name first does not belong to a source: in a folder, whatever has a
    part of its path that begins with a dot or an underscore, or that ends otherwise than in a known format.
    Raises NotFound when there are no files, InvalidValue when none is whole or formats are mixed.
    """
    root = Path(data_root)
    found = _found(source, root)
    reasons = {path: reason for path in found if (reason := _unfinished(path))}
    whole = [path for path in found if path not in reasons]
    left_out = [
        Quarantined(file=_name(path, root), line=0, why=f"the file is left out: {reason}")
        for path, reason in reasons.items()
    ]
    if not whole:
        raise InvalidValue(
            what=f"The source {source.name} has no file that is whole",
            found="; ".join(f"{each.file}: {each.why}" for each in left_out[:3]),
            fix="Write files under another name (.part) and rename them when they are whole.",
        )
    formats = {FORMATS.get(path.suffix, "") for path in whole}
    if len(formats) > 1 or "" in formats:
        raise InvalidValue(
            what=f"The source {source.name} mixes formats or has one that is not known",
            expected="files that all end in .csv, .jsonl or .parquet",
            found=", ".join(sorted({path.suffix or path.name for path in whole})),
        )
    return Listing(whole, formats.pop(), left_out)


def _found(source: Source, root: Path) -> list[Path]:
    place = root / source.path
    if place.is_dir():
        paths = [
            path
            for path in place.rglob("*")
            if path.suffix in FORMATS and path.is_file() and not _aside(path.relative_to(place))
        ]
    elif place.is_file():
        paths = [place]
    else:
        pattern = f"{source.path}.*" if elsewhere(source) else source.path
        paths = [path for path in root.glob(pattern) if path.is_file()]
    if not paths:
        if isinstance(source.kind, Events):
            raise NotFound(
                what=f"Nothing has been pushed to the source {source.name} yet",
                found=f"no files at {place}",
                fix=f"Push rows to POST /sources/{source.name}/events.",
            )
        if elsewhere(source):
            raise NotFound(
                what=f"There is no sample of the source {source.name}, which lies elsewhere",
                found=f"nothing at {place}",
                fix="Builds do not reach it: put a file or folder with some of its rows there.",
            )
        raise NotFound(
            what=f"The source {source.name} has no files",
            expected="CSV, JSON lines (.jsonl) or Parquet files",
            found=f"nothing at {place}",
            fix="Sources are read relative to the project's data root.",
        )
    return sorted(paths)


def _aside(path: PurePath) -> bool:
    return any(part.startswith((".", "_")) for part in path.parts)


def _unfinished(path: Path) -> str:
    """Why a file cannot be read yet; empty when it can."""
    size = path.stat().st_size
    if not size:
        return "it is empty"
    if path.suffix != ".parquet":
        return ""
    with path.open("rb") as file:
        first = file.read(len(_MARK))
        file.seek(max(0, size - len(_MARK)))
        last = file.read()
    if first != _MARK:
        return "it is no Parquet file"
    if last != _MARK or size < _SMALLEST:
        return "it is no whole Parquet file, its end is missing"
    return ""


def _name(path: Path, root: Path) -> str:
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)
