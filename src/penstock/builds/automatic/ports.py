"""What the automatic tests need from outside: values kept between steps, and models asked both ways."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import polars as pl

Floats = npt.NDArray[np.float64]


class Fit(NamedTuple):
    """What a model was given when it was fitted: n rows by the names of its inputs, and n labels."""

    rows: pl.DataFrame
    labels: pl.Series
    weighed: pl.DataFrame | None
    """What came of the rows before its last estimator, where that weighs columns by their scale."""
    weights: Floats | None = None
    """How much each row counted, where that was said."""


class Asked(Protocol):
    """A model that a pipeline publishes; types are named as in `datasets.types.Column`."""

    @property
    def inputs(self) -> Mapping[str, str]:
        """The columns that reach it, with their types."""
        ...

    @property
    def nullable(self) -> frozenset[str]:
        """Those that may be empty."""
        ...

    @property
    def classes(self) -> tuple[str, ...]:
        """Its classes, the positive one of two last; none for a regression."""
        ...

    @property
    def fit(self) -> Fit | None:
        """How it was fitted, if that was watched and done in one call."""
        ...

    @property
    def own_answers(self) -> str:
        """`A from B` where an estimator A learned what B answers to the rows that B was fitted on."""
        ...

    def trained(self, rows: pl.DataFrame) -> Floats:
        """Its own answers for n rows, of shape (n, classes) or (n, 1). Raises PenstockError."""
        ...

    def served(self, rows: pl.DataFrame) -> Floats:
        """The same from the runtime that will serve it, asked as a request asks. Raises PenstockError."""
        ...


class Carrier(Protocol):
    """What stands between the steps of a pipeline."""

    def keep(self, value: object, asked: str, *, again: bool = False) -> Any:
        """Write what a step returned, in the format it `asked` for if any. Raises PenstockError.

        `again` tells that what the step returned before came back from its format: a copy is as good.
        """
        ...

    def take(self, kept: Any, annotation: Any) -> Any:
        """Read it again for a parameter with this annotation."""
        ...


class Workbench(Carrier, Protocol):
    """What stands there when a pipeline really runs, and what stands behind its end."""

    def watch(self) -> AbstractContextManager[None]:
        """Note how the models are fitted that are made within."""
        ...

    def model(self, model: object, schema: Mapping[str, Any], *, unsafe_pickle: bool = False) -> Asked:
        """A model that is published, with the schema of its training rows, as a pickle if need be.

        Raises PenstockError.
        """
        ...
