"""Batches of versions that only their own library answers: the prediction service is asked, part by part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan
from typing import Any

from penstock.adapters.remote import PredictionClient
from penstock.models.types import Signature
from penstock.serving.columns import datatype

AT_ONCE = 2_000
"""Rows of a request: others are answered between two of them."""


class ServedRuntime:
    """A `serving.ports.Runtime` of a version as the prediction service answers it."""

    def __init__(self, client: PredictionClient, model: str, number: int, signature: Signature) -> None:
        self._client = client
        self._model = model
        self._number = number
        self._datatypes = {column.name: datatype(column) for column in signature.inputs}

    def predict(
        self, columns: Mapping[str, Sequence[Any]]
    ) -> tuple[list[float], list[str], list[list[float]]]:
        """Scores, labels and probabilities for n rows given column by column.

        Raises NotFound for a version that is not served, InvalidRequest for rows that it fails on, and
        Unavailable while nobody answers.
        """
        score: list[float] = []
        label: list[str] = []
        chances: list[list[float]] = []
        rows = len(next(iter(columns.values()), ()))
        for start in range(0, rows, AT_ONCE):
            asked = {name: _plain(values[start : start + AT_ONCE]) for name, values in columns.items()}
            told = self._client.infer(self._model, asked, self._datatypes, self._number)
            outputs = {output["name"]: output for output in told["outputs"]}
            score += outputs["score"]["data"]
            label += outputs["label"]["data"]
            if "probabilities" in outputs:
                flat, (count, width) = outputs["probabilities"]["data"], outputs["probabilities"]["shape"]
                chances += [flat[row * width : (row + 1) * width] for row in range(count)]
        return score, label, chances


def _plain(values: Sequence[Any]) -> list[Any]:
    """The values as JSON has them: what is not a number is missing."""
    found: Any = values.tolist() if hasattr(values, "tolist") else values
    return [None if isinstance(each, float) and isnan(each) else each for each in found]
