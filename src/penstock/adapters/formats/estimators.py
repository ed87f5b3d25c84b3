"""scikit-learn estimators as skops files: data only, read back without executing anything in them."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

from penstock.adapters.formats.kinds import BY_REQUEST, is_a, needing
from penstock.core.errors import StepFailed
from penstock.lineage.ports import Blobs
from penstock.runs.types import Artifact

_SCHEMA = "schema.json"
_IDENTITY = re.compile(r'(?<="__id__": )\d+|(?<="file": ")[^".]+')
_OWN = re.compile(
    r"sklearn\..+|numpy\..+|collections\.(OrderedDict|defaultdict)"
    r"|xgboost\.(core\.Booster|sklearn\.XGB\w+)|lightgbm\.(basic\.Booster|sklearn\.LGBM\w+)"
    r"|catboost\.core\.CatBoost\w*"
)
_CATBOOST = b"CBM1"
"""How the bytes of a CatBoost model begin."""
_EARLIEST = (1980, 1, 1, 0, 0, 0)
_NEEDED = "an estimator passes between steps as a skops file"


class Estimators:
    """Fitted estimators and pipelines made of the classes of scikit-learn and of the booster libraries.

    A booster's native bytes lie inside, beside the parameters and classes that its own file would forget.
    """

    name = "skops"

    def takes(self, value: object) -> bool:
        """See `Format.takes`."""
        return is_a(value, "sklearn", "BaseEstimator") or is_a(value, "catboost", "CatBoost")

    def write(self, value: Any, blobs: Blobs) -> Artifact:
        """See `Format.write`."""
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
        meta = {"type": type(value).__name__}
        return Artifact(digest=blobs.put(data), format=self.name, size=len(data), meta=meta)

    def read(self, artifact: Artifact, blobs: Blobs, annotation: Any) -> Any:  # noqa: ARG002 - the protocol's
        """See `Format.read`."""
        with needing("skops", _NEEDED):
            from skops.io import get_untrusted_types, loads

        data = blobs.get(artifact.digest)
        found = get_untrusted_types(data=data)
        foreign = _foreign(found)
        if foreign:
            raise StepFailed(
                what="A kept estimator holds types that are not trusted", found=", ".join(foreign)
            )
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
