"""Values between steps: written as artifacts in formats that cannot execute code, and read back."""

from __future__ import annotations

from typing import Any

from penstock.adapters.formats.arrays import Arrays
from penstock.adapters.formats.boosters import LightGBMBoosters, XGBoostBoosters
from penstock.adapters.formats.estimators import Estimators
from penstock.adapters.formats.files import Figures, Files, Folders
from penstock.adapters.formats.kinds import Format
from penstock.adapters.formats.lists import read_elements
from penstock.adapters.formats.needs import BY_REQUEST
from penstock.adapters.formats.pickles import UnsafePickles
from penstock.adapters.formats.plain import Bytes, Json
from penstock.adapters.formats.tables import ArrowTables, PandasTables, Parts, Tables
from penstock.core.errors import NotAllowed, StepFailed
from penstock.lineage.ports import Blobs
from penstock.runs.lists import ELEMENT, element_json, read_list, write_list
from penstock.runs.lists import FORMAT as LIST
from penstock.runs.types import Artifact


def write(value: object, blobs: Blobs, asked: str = "") -> Artifact:
    """Keep the value that a step returned, in the format that the step has `asked` for, if any.

    Raises StepFailed for a type or content that cannot be kept.
    """
    if asked:
        return _BY_NAME[asked].write(value, blobs)
    for format_ in _JSON if any(type(value) is scalar for scalar in _SCALARS) else FORMATS:
        if format_.takes(value):
            return format_.write(value, blobs)
    if isinstance(value, list | tuple):
        return write_list([write(element, blobs) for element in value], blobs)
    kind = type(value)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    raise StepFailed(
        what=f"It returned a value of the type {name}, which cannot be kept between steps",
        expected=ALLOWED,
        fix=f"Or have it pickled: {BY_REQUEST}",
    )


def read(artifact: Artifact, blobs: Blobs, annotation: Any = None, *, worker: bool = False) -> Any:
    """A kept value, for a parameter with this annotation; `worker` says that this is a worker process.

    Tables come back as what they were unless the annotation names another type of table,
    JSON as plain values unless it names their type, lists of other values as lists unless it names a
    Sequence, which reads them one by one. Raises NotFound or Corrupt, and NotAllowed for a pickle
    anywhere but in a worker.
    """
    if artifact.format == LIST:
        kept = read_list(blobs.get(artifact.digest))
        return read_elements(
            kept, annotation, lambda element, wanted: read(element, blobs, wanted, worker=worker)
        )
    if artifact.format == ELEMENT:
        return Json().decode(element_json(artifact, blobs), annotation)
    if artifact.format == UnsafePickles.name and not worker:
        raise NotAllowed(
            what="This value was pickled, and is loaded only in the workers that run steps",
            fix="Have its step return what you want to see in another format.",
        )
    return _BY_NAME[artifact.format].read(artifact, blobs, annotation)


ALLOWED = (
    "a Polars, pandas or Arrow table, a NumPy array, a scikit-learn estimator, an XGBoost, LightGBM or "
    "CatBoost model, Metrics, a value of JSON (None, bool, int, float, str, list, dict, dataclass, "
    "msgspec.Struct, datetime, Decimal), bytes, the pathlib.Path of a file or folder, a Matplotlib figure, "
    "or a list of these"
)

FORMATS: tuple[Format, ...] = (
    Bytes(),
    Folders(),
    Files(),
    Figures(),
    Arrays(),
    Tables(),
    ArrowTables(),
    PandasTables(),
    XGBoostBoosters(),
    LightGBMBoosters(),
    Estimators(),
    Json(),
)
"""The formats in the order in which they are asked."""

_SCALARS = (int, float, str, bool, type(None))
"""What most small steps give, and no format but JSON takes: no library is asked whether it is its own."""
_JSON = (FORMATS[-1],)

_BY_NAME: dict[str, Format] = {each.name: each for each in (*FORMATS, Parts(), UnsafePickles())}
