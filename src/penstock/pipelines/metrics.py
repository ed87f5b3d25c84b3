"""Metrics: the numbers by which a model is judged."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from numbers import Real

from penstock.core.errors import InvalidValue


class Metrics(Mapping[str, float]):
    """Named finite numbers: `Metrics(roc_auc=0.71, log_loss=0.48)`.

    Raises InvalidValue, with the metric's name, for anything that is not a finite number.
    """

    __slots__ = ("_values",)

    def __init__(self, **values: float) -> None:
        self._values = {name: finite(name, value) for name, value in values.items()}

    def __getitem__(self, name: str) -> float:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Metrics({', '.join(f'{name}={value:.4g}' for name, value in self._values.items())})"


def finite(name: str, value: object) -> float:
    """A metric's value as a float. Raises InvalidValue when it is not a finite number."""
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
        raise InvalidValue(
            what=f"The metric {name} is not a finite number",
            found=f"{value!r} ({type(value).__name__})",
        )
    return float(value)
