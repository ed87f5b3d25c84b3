"""The outside world of a gate: asks the prediction service, and gives facts back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import numpy as np
import polars as pl

from penstock.checks import is_load, parse_load
from penstock.core.errors import InvalidRequest, InvalidValue, NotFound
from penstock.deployments.decide import Contract, Facts, Quality, difference
from penstock.deployments.edges import edges
from penstock.deployments.quality import Assessment, Numbers, assess, numbers_of_data, signature_fits
from penstock.deployments.truth import answered_numbers, metrics_of, truth_number
from penstock.lineage.ports import Blobs
from penstock.models.types import Version
from penstock.serving.answers import Examples
from penstock.serving.encode import encode_request
from penstock.serving.ports import PredictionService
from penstock.serving.types import Loaded, LoadReport, Probe

ROWS = 20_000
"""Rows of a holdout that are asked at most: some seconds of the prediction service."""
BATCH = 2_000
_ROW = "penstock.row"


def gather(  # noqa: PLR0917 a candidate, and where and beside what it is asked
    service: PredictionService,
    blobs: Blobs,
    version: Version,
    champion: Version | None,
    loaded: Sequence[Loaded],
    gate: Sequence[str],
    probe: Probe | None = None,
) -> Facts:
    """Ask the candidate, which was `loaded` beside the champion or was not, and the champion, and make the
    loads that the gate asks for. `probe` is what is known of its infrastructure.

    Raises Unavailable when the prediction service does not answer: then nothing is known.
    """
    facts = Facts(
        recorded=version.metrics,
        champion=champion.number if champion else 0,
        champion_recorded=champion.metrics if champion else {},
        data=numbers_of_data(version),
        lacks=_lacks(version),
        pickled=version.governance.get("unsafe_pickle", ""),
    )
    if error := _load_error(loaded, version):
        return msgspec.structs.replace(facts, load_error=error)
    facts = msgspec.structs.replace(
        facts,
        contract=_contract(service, blobs, version, edgy="contract" in gate),
        infrastructure=probe or facts.infrastructure,
        loads=_loads(service, blobs, version, gate),
    )
    if not version.holdout:
        return facts
    labelled, rows = _labelled(blobs.path(version.holdout), version.label, ROWS)
    mine, asked = _quality(service, version, rows, version.label)
    theirs, answers = _quality(service, champion, rows, version.label) if champion else (Quality(), None)
    beside = champion and signature_fits(version.signature, champion.signature) and answers
    return msgspec.structs.replace(
        facts,
        holdout=labelled,
        measured=rows.height,
        candidate=mine,
        champion_measured=theirs,
        assessed=assess(version, rows, asked.truth, asked.numbers, beside.numbers if beside else None)
        if asked and mine.metrics
        else Assessment(),
    )


def _lacks(version: Version) -> str:
    if not version.governance.get("imported"):
        return ""
    why = "it was imported, and its training rows are not on record"
    return why if version.holdout else f"{why}, nor examples with a label (--label), which metrics need"


def _load_error(loaded: Sequence[Loaded], version: Version) -> str:
    for seen in loaded:
        if (seen.model, seen.number) == (version.model, version.number):
            return "" if seen.ready else seen.error or "it is not ready"
    return "it did not appear there"


def _contract(service: PredictionService, blobs: Blobs, version: Version, *, edgy: bool) -> Contract | None:
    """How the recorded examples are answered, and where it is `edgy` also what lies at the schema's edges."""
    if not version.examples:
        return None
    recorded = msgspec.json.decode(blobs.get(version.examples), type=Examples)
    try:
        answer = service.infer(version.model, version.number, recorded.inputs, log=False)
    except (InvalidRequest, NotFound) as error:
        return Contract(examples=len(recorded.score), error=str(error))
    found = difference(recorded, answer, classes=bool(version.signature.classes))
    if not edgy or found.error or not recorded.score:
        return found
    return msgspec.structs.replace(found, edges=edges(service, version, recorded))


def _loads(
    service: PredictionService, blobs: Blobs, version: Version, gate: Sequence[str]
) -> dict[str, LoadReport]:
    """What each load of the gate measured, asking the recorded examples one by one in turn."""
    wanted = [text for text in gate if is_load(text)]
    if not wanted or not version.examples:
        return {}
    recorded = msgspec.json.decode(blobs.get(version.examples), type=Examples)
    requests = [
        encode_request({name: [values[row]] for name, values in recorded.inputs.items()})
        for row in range(len(recorded.score))
    ]
    loads = {text: parse_load(text) for text in wanted}
    return {
        text: service.load(version.model, version.number, requests, load.rate, load.seconds)
        for text, load in loads.items()
    }


class _Asked(msgspec.Struct, frozen=True):
    """The truth of n rows as it is labelled, and truth and answer as metrics compare them."""

    truth: list[float]
    numbers: tuple[Numbers, Numbers]


def _quality(
    service: PredictionService, version: Version, rows: pl.DataFrame, label: str
) -> tuple[Quality, _Asked | None]:
    """What a version answers for rows that carry the truth in the column `label`."""
    names = [column.name for column in version.signature.inputs]
    if missing := [name for name in names if name not in rows.columns]:
        return Quality(
            error=f"version {version.number} needs {', '.join(missing)}, which these rows lack"
        ), None
    score: list[float] = []
    answered: list[str] = []
    try:
        for batch in _batches(rows.select(names)):
            answer = service.infer(version.model, version.number, batch, log=False)
            score += answer.score
            answered += answer.label
        values = rows[label].to_list()
        numbers_of = {value: truth_number(version.signature, value) for value in set(values)}
        truth = [numbers_of[value] for value in values]
    except (InvalidValue, NotFound) as error:
        return Quality(error=str(error)), None
    if not truth:
        return Quality(error="there are no rows with a label"), None
    numbers = answered_numbers(version.signature, truth, score, answered)
    return Quality(metrics=metrics_of(version.signature, truth, score, answered)), _Asked(truth, numbers)


def _batches(rows: pl.DataFrame) -> Iterator[dict[str, list[Any]]]:
    floats = [name for name, dtype in rows.schema.items() if dtype.is_float()]
    finite = rows.with_columns(pl.col(floats).fill_nan(None))
    for part in finite.iter_slices(BATCH):
        yield part.to_dict(as_series=False)


def _labelled(holdout: str, label: str, most: int) -> tuple[int, pl.DataFrame]:
    """How many rows of a file have a label, and at most `most` of them, evenly taken, always the same.

    It may be larger than memory: it is read column by column, and of each piece only these rows are kept.
    """
    table = pl.scan_ipc(holdout).with_row_index(_ROW)
    known = table.filter(pl.col(label).is_not_null()).select(_ROW).collect(engine="streaming")[_ROW]
    places = np.linspace(0, len(known) - 1, most).astype(np.int64) if len(known) > most else slice(None)
    wanted = pl.col(_ROW).is_in(known[places].implode())
    names = [name for name in table.collect_schema() if name != _ROW]
    columns = [table.filter(wanted).select(name).collect(engine="streaming") for name in names]
    return len(known), pl.concat(columns, how="horizontal")
