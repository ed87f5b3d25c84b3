"""Between the steps of a rehearsed pipeline: the formats and the serving runtime of a real run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from copy import deepcopy
from functools import cached_property
from typing import Any, NamedTuple

import msgspec
import numpy as np
import polars as pl

from penstock.adapters.builders.fits import Fits
from penstock.adapters.formats.conversion import used_columns
from penstock.adapters.formats.estimators import Estimators
from penstock.adapters.formats.loading import load
from penstock.adapters.formats.native import NativeModel
from penstock.adapters.formats.publish import make_candidate
from penstock.adapters.formats.values import read, write
from penstock.builds.automatic.ports import Fit, Floats
from penstock.core.errors import UnsupportedModel
from penstock.datasets.types import Column
from penstock.lineage.ports import Blobs
from penstock.models.types import Signature
from penstock.runs.types import Artifact

_POLARS = {"float": pl.Float64, "int": pl.Int64, "bool": pl.Boolean, "string": pl.String}


class _Copied(NamedTuple):
    """A value that is kept in memory."""

    value: object


class Bench:
    """A `builds.automatic.ports.Workbench` whose values lie among `blobs`."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self._estimator: tuple[str, object] = ("", None)
        self._estimators = Estimators()
        self._fits = Fits()

    def keep(self, value: object, asked: str, *, again: bool = False) -> Artifact | _Copied:
        """See `Workbench.keep`.

        To write an estimator and to read it takes twice as long as to train it on a sample, and they are
        trained seven times.
        """
        if again and not asked and self._estimators.takes(value):
            return _Copied(deepcopy(value))
        return write(value, self._blobs, asked)

    def take(self, kept: Artifact | _Copied, annotation: Any) -> Any:
        """See `Workbench.take`.

        An estimator that several steps take in turn is read once, which takes as long as training it on a
        sample, and each gets a copy: what one does to its own reaches no other, as in a run.
        """
        if isinstance(kept, _Copied):
            return deepcopy(kept.value)
        if kept.format != Estimators.name:
            return read(kept, self._blobs, annotation, worker=True)
        if self._estimator[0] != kept.digest:
            self._estimator = kept.digest, read(kept, self._blobs, annotation, worker=True)
        return deepcopy(self._estimator[1])

    def watch(self) -> AbstractContextManager[None]:
        """See `Workbench.watch`."""
        return self._fits.watch()

    def model(self, model: object, schema: Mapping[str, Any], *, unsafe_pickle: bool = False) -> AskedModel:
        """See `Workbench.model`. Raises UnsupportedModel."""
        return AskedModel(model, schema, self._blobs, self._fits, unsafe_pickle=unsafe_pickle)


class AskedModel:
    """A `builds.automatic.ports.Asked` scikit-learn model; converted when it is first asked as served."""

    def __init__(
        self, model: object, schema: Mapping[str, Any], blobs: Blobs, fits: Fits, *, unsafe_pickle: bool
    ) -> None:
        self._native = NativeModel(model)
        self._unsafe_pickle = unsafe_pickle
        self._schema = schema
        self._blobs = blobs
        columns = used_columns(self._native, msgspec.convert(schema["columns"], tuple[Column, ...]))
        self.inputs = {column.name: column.dtype for column in columns}
        self.nullable = frozenset(column.name for column in columns if column.nullable)
        self.classes = self._native.classes
        fitted_on = self._native.fitted_on or ()  # by the names that the model's library gives them
        self._fitted_on = fitted_on if len(fitted_on) > len(self.inputs) else tuple(self.inputs)
        self.fit: Fit | None = fits.of(model, self._fitted_on)
        self.own_answers = fits.own_answers()

    def trained(self, rows: pl.DataFrame) -> Floats:
        """See `Asked.trained`."""
        if rows.is_empty():
            return np.zeros((0, max(1, len(self.classes))))
        return self._native.answer(rows.select(self._fitted_on)).values

    def served(self, rows: pl.DataFrame) -> Floats:
        """See `Asked.served`. Raises UnsupportedModel when the model cannot be served as it was trained."""
        asked = {
            name: rows[name].cast(_POLARS[kind]).fill_nan(None)
            if kind == "float"
            else rows[name].cast(_POLARS[kind])
            for name, kind in self.inputs.items()
        }
        try:
            return self._serve({name: column.to_list() for name, column in asked.items()})
        except UnsupportedModel:
            raise
        except Exception as error:
            raise UnsupportedModel(
                what="The serving runtime fails on rows that it may be asked",
                found=(str(error).splitlines() or [""])[0],
            ) from error

    @cached_property
    def _serve(self) -> Callable[[Mapping[str, Any]], Floats]:
        holdout = Artifact(digest="", format="arrow", size=0)
        made = make_candidate(
            name="sample",
            model=self._native.model,
            metrics={},
            schema=self._schema,
            holdout=holdout,
            blobs=self._blobs,
            unsafe_pickle=self._unsafe_pickle,
        )
        signature = msgspec.convert(made.signature, Signature)
        runtime = load(made.format, self._blobs.get(made.artifact), signature, pickles=True)

        def serve(columns: Mapping[str, Any]) -> Floats:
            score, _, values = runtime.predict(
                {column.name: columns[column.name] for column in signature.inputs}
            )
            return np.array(values or [[value] for value in score], dtype=np.float64)

        return serve
