"""Estimators as skops files: data only, read back without executing anything in them."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

from penstock.adapters.formats.needs import BY_REQUEST, needing
from penstock.core.errors import StepFailed

_SCHEMA = "schema.json"
_IDENTITY = re.compile(r'(?<="__id__": )\d+|(?<="file": ")[^".]+')
_OWN = re.compile(
    r"sklearn\..+|numpy\..+|collections\.(OrderedDict|defaultdict)"
    r"|functools\.partial|scipy\.interpolate\._bsplines\.BSpline"
    r"|scipy\._lib\.array_api_compat\.numpy\._aliases\.asarray"  # what a partial calls is looked at as well
    r"|xgboost\.(core\.Booster|sklearn\.XGB\w+)|lightgbm\.(basic\.Booster|sklearn\.LGBM\w+)"
    r"|catboost\.core\.CatBoost\w*"
)
_CATBOOST = b"CBM1"
"""How the bytes of a CatBoost model begin."""
_EARLIEST = (1980, 1, 1, 0, 0, 0)
_NEEDED = "an estimator passes between steps as a skops file"


def as_skops(value: Any) -> bytes:
    """An estimator as a skops file. Raises StepFailed for one that holds types which are not trusted."""
    with needing("skops", _NEEDED):
        from skops.io import dumps, get_untrusted_types
        from skops.io.exceptions import UnsupportedTypeException

    try:
        data = _repeatable(dumps(value))
    except UnsupportedTypeException as error:
        raise _refused(value, str(error)) from error
    foreign = _foreign(get_untrusted_types(data=data))
    if foreign:
        raise _refused(value, ", ".join(foreign))
    return data


def from_skops(data: bytes) -> Any:
    """The estimator in a skops file. Raises StepFailed for one that holds types which are not trusted."""
    with needing("skops", _NEEDED):
        from skops.io import get_untrusted_types, loads

    found = get_untrusted_types(data=data)
    foreign = _foreign(found)
    if foreign:
        raise StepFailed(what="A kept estimator holds types that are not trusted", found=", ".join(foreign))
    return loads(data, trusted=found)


def _repeatable(data: bytes) -> bytes:
    """The same skops file without the time and the addresses in memory: equal estimators give equal bytes.

    A step that is done again, because its process died, then gives what it gave before.
    """
    import zipfile  # every worker imports this room, and few handle estimators

    names: dict[str, str] = {}
    with zipfile.ZipFile(io.BytesIO(data)) as given:
        schema = _IDENTITY.sub(
            lambda found: names.setdefault(found[0], str(len(names))), given.read(_SCHEMA).decode()
        )
        files = {_renamed(name, names): given.read(name) for name in given.namelist()}
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w") as made:
        for name in sorted(files):
            content = schema.encode() if name == _SCHEMA else files[name]
            content = _without_moment(content) if content.startswith(_CATBOOST) else content
            made.writestr(zipfile.ZipInfo(name, _EARLIEST), content)
    return output.getvalue()


def _without_moment(model: bytes) -> bytes:
    """A CatBoost model without what is written into each one anew: a random name, and when training ended."""
    import tempfile

    from catboost import CatBoost

    again = CatBoost().load_model(blob=model)
    again.get_metadata()["model_guid"] = again.get_metadata()["train_finish_time"] = ""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.cbm"
        again.save_model(str(file))
        return file.read_bytes()


def _renamed(file: str, names: dict[str, str]) -> str:
    stem, dot, suffix = file.partition(".")
    return names.get(stem, stem) + dot + suffix


def _foreign(names: list[str]) -> list[str]:
    return [name for name in names if not _OWN.fullmatch(name)]


def _refused(value: object, found: str) -> StepFailed:
    return StepFailed(
        what=f"It returned a {type(value).__name__} that holds what is not scikit-learn's own or a booster's",
        found=found,
        fix="Build it from scikit-learn's estimators and move other code into a step, "
        f"or have it pickled: {BY_REQUEST}",
    )
