"""Which version answers a request, and as which variant."""

from __future__ import annotations

from collections.abc import Mapping

from penstock.core.errors import NotFound
from penstock.serving.types import ServedModel, ServedVersion


def served_model(models: Mapping[str, ServedModel], name: str) -> ServedModel:
    """The model of this name. Raises NotFound, naming those that are served."""
    if name in models:
        return models[name]
    raise NotFound(
        what=f"There is no model {name!r} here", expected=", ".join(models) or "none yet", found=name
    )


def served_version(model: ServedModel, number: int) -> ServedVersion:
    """The version of this number. Raises NotFound, naming those that are served."""
    for version in model.versions:
        if version.number == number:
            return version
    known = ", ".join(str(version.number) for version in model.versions) or "none yet"
    raise NotFound(
        what=f"The model {model.name!r} has no approved version {number}", expected=known, found=str(number)
    )


def assign(model: ServedModel, number: int = 0) -> tuple[int, str]:
    """The number of the version that answers, and its variant.

    The champion answers as `champion`; a version that was asked for by number as `direct`.
    Raises NotFound where there is no such version, or no champion yet.
    """
    if number:
        return served_version(model, number).number, "direct"
    if not model.champion:
        raise NotFound(
            what=f"The model {model.name!r} has no champion yet",
            fix="Its first version answers as soon as it has passed its gate.",
        )
    return model.champion, "champion"
