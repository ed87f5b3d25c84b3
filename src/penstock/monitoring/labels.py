"""What is told of what really happened, as it comes in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from penstock.core.errors import InvalidValue, NotFound
from penstock.monitoring.types import Prediction

NAMED = 3
"""How many of the offending ids a refusal names."""


def values_of(items: Sequence[Any]) -> dict[str, Any]:
    """The truth by prediction id; what is said last about a prediction counts."""
    values: dict[str, Any] = {}
    for index, item in enumerate(items):
        key = item.get("prediction") if isinstance(item, dict) else None
        if not isinstance(key, str) or item.get("value") is None or set(item) != {"prediction", "value"}:
            raise InvalidValue(
                what=f"Label {index} is not a label",
                expected='{"prediction": id, "value": what happened}',
                found=str(item)[:80],
            )
        values[key] = item["value"]
    return values


def require_known(model: str, values: Mapping[str, Any], found: Mapping[str, Prediction]) -> None:
    """That the model has given all of these predictions. Raises NotFound."""
    unknown = [key for key in values if key not in found or found[key].model != model]
    if unknown:
        named = ", ".join(unknown[:NAMED]) + (f" and {len(unknown) - NAMED} more" if unknown[NAMED:] else "")
        raise NotFound(
            what=f"{model} never gave {'this prediction' if len(unknown) == 1 else 'these predictions'}",
            found=named,
            fix="No label was kept. Send the ids that the prediction service answered with.",
        )
