"""What a step returned, output by output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from penstock.core.errors import StepFailed


def outputs_of(step: str, names: Sequence[str], value: Any) -> dict[str, Any]:
    """The value of each declared output: of several, the fields or keys of what was returned.

    Raises StepFailed when one is missing.
    """
    if len(names) == 1:
        return {names[0]: value}
    found = (
        value
        if isinstance(value, Mapping)
        else {name: getattr(value, name) for name in names if hasattr(value, name)}
    )
    missing = [name for name in names if name not in found]
    if missing:
        raise StepFailed(
            what=f"The step `{step}` did not return its outputs",
            expected=f"a NamedTuple with {', '.join(names)}",
            found=f"a {type(value).__name__} without {', '.join(missing)}",
        )
    return {name: found[name] for name in names}
