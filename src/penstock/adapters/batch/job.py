"""One batch: parts that are whole once they are there, so that a killed one goes on where it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import msgspec
import polars as pl

from penstock.adapters.batch.fitting import Misfit, fitting, require_columns
from penstock.adapters.batch.lookups import (
    Filled,
    Online,
    age_columns,
    filled,
    found_by,
    left_out,
    require_readable,
)
from penstock.adapters.batch.reading import Chunk, chunks_of, count_of, format_of, names_of
from penstock.adapters.batch.unexpected import together, unexpected_in
from penstock.core.digests import digest_value
from penstock.core.errors import Conflict, InvalidValue, StorageFailed
from penstock.core.words import meant
from penstock.datasets.expectations import Violation
from penstock.features.types import Origins
from penstock.models.types import Signature
from penstock.serving.ports import Runtime

CHUNK = 50_000
"""Rows that are answered and written together."""
UNEXPECTED = ".unexpected"
"""How files end that tell which rules the rows of a part break."""
ANSWERS = ("prediction_id", "prediction", "score", "model_version")


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of whom: the same batch goes on where it was, another does not.

    `file` is what the input was when the batch began: its size in bytes, and when it was changed. `origins`
    are looked up and computed; with `ages` the answers tell how old what was looked up is.
    """

    version: str
    artifact: str
    signature: Signature
    input: str
    file: tuple[int, int]
    keep: tuple[str, ...]
    rows: int
    expected: dict[str, dict[str, Any]] = {}
    origins: Origins = Origins()
    ages: bool = False


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a batch: rows that were answered, and those that did not fit, which lie in `refused`.

    `unexpected` are the rules of columns that some answered rows break.
    """

    output: str
    version: str
    predicted: int
    misfits: int
    refused: str
    unexpected: tuple[Violation, ...] = ()


def plan(
    version: dict[str, Any],
    source: Path,
    output: Path,
    keep: tuple[str, ...] | None,
    *,
    ages: bool = False,
) -> Batch:
    """What a version is to be asked; `keep` are the columns to be kept beside the answers, None for all;
    `ages` has the answers tell what became of each view that is looked up.

    Raises NotFound, and InvalidValue for columns that do not fit or files of an unknown kind.
    """
    signature = msgspec.convert(version["signature"], Signature)
    names = names_of(source)
    format_of(output)
    if output.resolve() == source.resolve():
        raise InvalidValue(what=f"The answers would take the place of {source}.", fix="Name another OUTPUT.")
    read = msgspec.convert(version["training"].get("origins", {}), Origins)
    origins = left_out(names, read, signature, source)
    require_columns(names, signature, str(source), found_by(origins))
    for name in keep or ():
        if name not in names:
            raise InvalidValue(what=f"{source} has no column {name!r} to keep.", fix=meant(name, names))
    kept = tuple(names) if keep is None else keep
    told_of = {name for view in origins.views for name in age_columns(view)} if ages else set[str]()
    taken = [name for name in kept if name in told_of or name in _answers_of(signature)]
    if taken:
        raise InvalidValue(
            what="Columns of the input are called as those of the answers",
            found=", ".join(taken),
            fix="Name the columns to keep: --keep.",
        )
    told = source.stat()
    return Batch(
        version=version["id"],
        artifact=version["artifact"],
        signature=signature,
        input=str(source.resolve()),
        file=(told.st_size, told.st_mtime_ns),
        keep=kept,
        rows=count_of(source),
        expected=version["training"].get("expectations", {}).get("columns", {}),
        origins=origins,
        ages=ages,
    )


def work(
    batch: Batch, runtime: Runtime, output: Path, advance: Callable[[int], None], online: Online | None = None
) -> Done:
    """Answer every row, and put the answers in their place once all are there.

    `advance` hears how many rows are done more; what is looked up is asked of `online`. Killed at any time,
    the same batch goes on with the first chunk that was not done. Raises as `Online.ask`, Conflict when
    another batch has begun there, and StorageFailed.
    """
    folder = output.with_name(output.name + ".part")
    if online:
        require_readable(batch.origins, online)
    try:
        done = _begun(batch, folder)
        advance(min(done * CHUNK, batch.rows))
        for index, chunk in enumerate(chunks_of(Path(batch.input), CHUNK, done), done):
            answered, misfits, unexpected = _answered(batch, runtime, chunk, online)
            _put(folder / f"{index:08}{UNEXPECTED}", msgspec.json.encode(unexpected))
            _put(folder / _refused(index), msgspec.json.Encoder(enc_hook=str).encode_lines(misfits))
            hidden = folder / "answers.new"
            answered.write_parquet(hidden)
            hidden.rename(folder / _part(index))
            advance(chunk.rows.height)
        return _ended(batch, folder, output)
    except OSError as error:
        raise StorageFailed(
            what=f"{error.filename or output} cannot be written: {error.strerror}.",
            fix="Make room, and ask again: it goes on where it was.",
        ) from error


def _begun(batch: Batch, folder: Path) -> int:
    """How many chunks are done already."""
    manifest = folder / "batch.json"
    if manifest.exists():
        if msgspec.json.decode(manifest.read_bytes(), type=Batch) != batch:
            raise Conflict(
                what=f"Another batch was begun in {folder}",
                expected="the same version, input and columns",
                fix=f"Remove {folder}, or ask that batch to its end.",
            )
        return next(index for index in range(batch.rows + 1) if not (folder / _part(index)).exists())
    folder.mkdir(parents=True, exist_ok=True)
    _put(manifest, msgspec.json.encode(batch))
    return 0


def _answered(
    batch: Batch, runtime: Runtime, chunk: Chunk, online: Online | None
) -> tuple[pl.DataFrame, list[dict[str, Any]], list[Violation]]:
    whole = (
        filled(chunk.rows, batch.origins, batch.signature, online) if online else Filled(chunk.rows, {}, [])
    )
    columns, found = fitting(whole.rows, batch.signature)
    misfits = {misfit.row: misfit for misfit in found} | whole.misfits
    for number, why in chunk.broken.items():
        misfits[number - chunk.first] = Misfit(number - chunk.first, "", None, why)
    fits = pl.Series([row not in misfits for row in range(chunk.rows.height)], dtype=pl.Boolean)
    asked = {name: _values(series.filter(fits)) for name, series in columns.items()}
    rows = chunk.rows.select(batch.keep).filter(fits)
    numbers = [chunk.first + row for row, fit in enumerate(fits) if fit]
    score, label, chances = runtime.predict(asked) if rows.height else ([], [], [])
    classes = batch.signature.classes
    name = digest_value([batch.artifact, batch.input, batch.file])[:16]
    answers: dict[str, Any] = {
        "prediction_id": pl.Series([f"{name}-{number + 1}" for number in numbers], dtype=pl.String),
        "prediction": pl.Series(label if classes else score, dtype=pl.String if classes else pl.Float64),
        "score": pl.Series(score, dtype=pl.Float64),
    }
    for index, each in enumerate(classes):
        answers[f"probability_{each}"] = pl.Series([row[index] for row in chances], dtype=pl.Float64)
    answers["model_version"] = pl.Series([batch.version] * rows.height, dtype=pl.String)
    if batch.ages:
        answers |= {column.name: column.filter(fits) for column in whole.ages}
    told = [
        {"row": chunk.first + m.row + 1, "column": m.column, "value": m.value, "why": m.why}
        for m in sorted(misfits.values())
    ]
    numbered = pl.DataFrame([series.filter(fits).alias(n) for n, series in columns.items()]).with_columns(
        pl.Series("row", [number + 1 for number in numbers], dtype=pl.Int64)
    )
    return rows.hstack(pl.DataFrame(answers)), told, unexpected_in(numbered, batch.expected)


def _values(column: pl.Series) -> Sequence[Any]:
    """The values, of numbers with a point as an array in which what is missing is not a number."""
    values: Any = column.to_numpy() if column.dtype.is_float() else column.to_list()
    return cast("Sequence[Any]", values)


def _answers_of(signature: Signature) -> set[str]:
    return {*ANSWERS, *(f"probability_{each}" for each in signature.classes)}


def _ended(batch: Batch, folder: Path, output: Path) -> Done:
    """Make the parts one file each, in place of what was there, and forget them."""
    parts = sorted(folder.glob("*.parquet"))
    predicted = 0
    if parts:
        whole = pl.scan_parquet(parts)
        predicted = whole.select(pl.len()).collect().item()
    else:
        whole = pl.LazyFrame(schema=dict.fromkeys((*batch.keep, *ANSWERS), pl.String))
    made = folder / "whole"
    match format_of(output):
        case "parquet":
            whole.sink_parquet(made, maintain_order=True)
        case "csv":
            whole.sink_csv(made, maintain_order=True)
        case _:
            whole.sink_ndjson(made, maintain_order=True)
    refused = output.with_name(output.name + ".refused.jsonl")
    misfits = 0
    lines = folder / "refused"
    with lines.open("wb") as file:
        for line in _all(folder):
            file.write(line)
            misfits += 1
    if misfits:
        lines.replace(refused)
    else:
        refused.unlink(missing_ok=True)
    told = (
        msgspec.json.decode(file.read_bytes(), type=list[Violation])
        for file in sorted(folder.glob(f"*{UNEXPECTED}"))
    )
    unexpected = together(told, predicted)
    made.replace(output)
    _forget(folder, parts)
    return Done(
        output=str(output),
        version=batch.version,
        predicted=predicted,
        misfits=misfits,
        refused=str(refused) if misfits else "",
        unexpected=unexpected,
    )


def _forget(folder: Path, parts: Sequence[Path]) -> None:
    """Remove the folder so that a kill on the way leaves a batch that is begun anew, never half of one."""
    manifest = folder / "batch.json"
    others = [path for path in folder.iterdir() if path not in {manifest, *parts}]
    for path in (*parts, *others, manifest):
        path.unlink()
    folder.rmdir()


def _all(folder: Path) -> Iterator[bytes]:
    for path in sorted(folder.glob("*.jsonl")):
        with path.open("rb") as lines:
            yield from lines


def _part(index: int) -> str:
    return f"{index:08}.parquet"


def _refused(index: int) -> str:
    return f"{index:08}.jsonl"


def _put(path: Path, data: bytes) -> None:
    hidden = path.with_suffix(".new")
    hidden.write_bytes(data)
    hidden.rename(path)
