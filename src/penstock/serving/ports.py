"""What prediction needs: a runtime for a model's format, and, seen from the control plane, the service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any, Protocol

from penstock.serving.types import (
    Answer,
    Contest,
    Counters,
    Loaded,
    LoadReport,
    LogRecord,
    Plan,
    Probe,
    ServedVersion,
)

if TYPE_CHECKING:  # the prediction process reads no tables
    import polars as pl


class Runtime(Protocol):
    """A loaded model."""

    def predict(
        self, columns: Mapping[str, Sequence[Any]]
    ) -> tuple[list[float], list[str], list[list[float]]]:
        """Scores, labels and probabilities (see `Answer`) for n rows given column by column."""
        ...


class PredictionService(Protocol):
    """The prediction process, as the control plane sees it."""

    def apply(self, plan: Plan) -> Sequence[Loaded]:
        """Make the service serve the plan: load, warm and check beside, then swap. Gives what is loaded.

        The plan is kept by the service and survives its restart. Raises Unavailable.
        """
        ...

    def loaded(self) -> Sequence[Loaded]:
        """What is loaded now. Raises Unavailable."""
        ...

    def observed(self) -> Sequence[Contest]:
        """What challengers and champions did since they are beside each other. Raises Unavailable."""
        ...

    def counters(self) -> Sequence[Counters]:
        """What each process of the service has counted since it was started. Raises Unavailable."""
        ...

    def infer(
        self, model: str, version: int, columns: Mapping[str, Sequence[Any]], *, log: bool = True
    ) -> Answer:
        """Ask over the same wire that clients use; version 0 is the champion.

        Raises InvalidRequest, NotFound or Unavailable. `log=False` leaves the prediction log alone.
        """
        ...

    def load(
        self, model: str, version: int, requests: Sequence[bytes], rate: float, seconds: float
    ) -> LoadReport:
        """Ask `rate` requests a second for some seconds, these in turn, whatever the answers take.

        Nothing of it goes to the prediction log. Raises Unavailable.
        """
        ...

    def probe(self, version: ServedVersion) -> Probe:
        """Load a version in a process of its own and ask it its recorded examples."""
        ...

    def flush(self) -> None:
        """Make every answer given so far durable in the prediction log."""
        ...


class PredictionLog(Protocol):
    """The durable log that the prediction process writes."""

    def segments(self) -> Sequence[str]:
        """Names of the log's files, oldest first."""
        ...

    def read(self, segment: str, offset: int, limit: int) -> tuple[list[LogRecord], int]:
        """Up to `limit` whole records from a byte offset, and the offset after them."""
        ...

    def table(self, model: str, environment: str, start: date, end: date) -> pl.LazyFrame:
        """The answers of a model in the UTC days `start <= day < end`, packed or not, each a row.

        They are in no order. Columns: `id`, `time`, `version`, `variant`, `score`, `label`, `input.NAME`, and
        of features that were read online `key.NAME`, `event.VIEW`, `read.VIEW` (when), `status.VIEW` and
        `given.VIEW` (see `Lookup`); those that no row has are not there.
        """
        ...

    def closed(self, segment: str) -> bool:
        """Whether nobody will write to a segment any more."""
        ...

    def pack(self, segment: str) -> None:
        """Keep the records of a closed segment as columns, by model, environment and day, and the segment no
        longer. What is done already is not done again. Raises StorageFailed.
        """
        ...

    def drop(self, model: str, environment: str, before: date) -> int:
        """Forget the packed days before one (UTC); gives how many."""
        ...
