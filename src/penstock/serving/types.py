"""Nouns of prediction."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec

from penstock.features.types import OnlineView, Origins
from penstock.models.types import Signature


class ServedVersion(msgspec.Struct, frozen=True, kw_only=True):
    """A version the service may load. `resident` ones are loaded at once, others when asked for.

    `runtime` names the environment in which a model is served that its own library answers, and `code` the
    folder of the project's code, which a pickle may need; `origins` tell where those of its inputs come from
    that a row need not give; `expected` are the rules of its columns (see `serving.outside`), and `personal`
    those that tell of people, whoever gives them.
    """

    number: int
    artifact: str
    format: str
    signature: Signature
    examples: str
    resident: bool = True
    runtime: str = ""
    code: str = ""
    origins: Origins = Origins()
    expected: dict[str, dict[str, Any]] = {}
    personal: tuple[str, ...] = ()


class Challenger(msgspec.Struct, frozen=True, kw_only=True):
    """A version in a `contest` with the champion: it answers `share` percent of the keys in its place, or as
    a shadow is asked the same and heard by nobody.
    """

    contest: str
    number: int
    share: int = 0
    variant: Literal["challenger", "shadow"] = "challenger"


class ServedModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model at its stable URL: `champion` answers (0 when there is none yet), `challengers` their shares.

    `key` is the column by which requests are assigned to one of them, where no request brings a key.
    Of its answers `log_share` percent go to the prediction log, without the columns that it has to `redact`.
    """

    name: str
    environment: str
    champion: int
    versions: tuple[ServedVersion, ...]
    challengers: tuple[Challenger, ...] = ()
    key: str = ""
    redact: tuple[str, ...] = ()
    log_share: int = 100


class OfferedView(msgspec.Struct, frozen=True, kw_only=True):
    """A version of a feature view that may be read by its name: the release of an environment has it
    (`deployed`), or versions of models read it (`readers`). Where its values are not there yet its `id` is
    empty.
    """

    project: str
    environment: str
    view: OnlineView
    deployed: bool = True
    readers: tuple[str, ...] = ()


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """Whoever shows the token of this digest: of a `project` and an `environment`, empty for any, until it
    expires by the machine's clock.
    """

    token: str
    digest: str
    project: str = ""
    environment: str = ""
    expires: datetime | None = None


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """What may be read online without asking a model, and by whom: `holders` of tokens, or everybody at this
    machine where it is `open`. In `views` those of an environment come after those of the ones before it.
    """

    views: tuple[OfferedView, ...] = ()
    holders: tuple[Holder, ...] = ()
    open: bool = False


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What the prediction service should be serving. `clock` is the virtual time, if time is virtual."""

    clock: datetime | None
    models: tuple[ServedModel, ...]
    offer: Offer = Offer()


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a version in the prediction service; `error` is empty when it is ready."""

    model: str
    number: int
    ready: bool
    champion: bool = False
    error: str = ""


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """What a version did in a contest, counted in requests. Times are in milliseconds; `scores` are a sample
    of some hundred answers, `labels` count those of several classes; `why` is the first error; `dropped`
    are the requests that a busy shadow was not asked.
    """

    number: int
    requests: int = 0
    errors: int = 0
    dropped: int = 0
    why: str = ""
    p50: float = 0.0
    p95: float = 0.0
    p99: float = 0.0
    max: float = 0.0
    scores: tuple[float, ...] = ()
    labels: dict[str, int] = {}


class Contest(msgspec.Struct, frozen=True, kw_only=True):
    """A challenger beside the champion, since its share was last changed. `died` says that the prediction
    process was killed while this contest went on.
    """

    id: str
    share: int
    champion: Tally
    challenger: Tally
    died: bool = False


TIMES = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Bounds of the buckets in which the times of requests are counted, in seconds."""


class Served(msgspec.Struct, frozen=True, kw_only=True):
    """What a process has answered by a version as a variant since it was started: requests by their time, as
    many counts as there are TIMES and one for what took longer, and rows.
    """

    model: str
    version: int
    variant: str
    environment: str
    rows: int
    times: tuple[int, ...]


class Counters(msgspec.Struct, frozen=True, kw_only=True):
    """What one process of the service has counted since it was started, which gives it its name. `refused`
    are requests to a model by its name that were answered with an error: model, status and how many.
    """

    process: str
    served: tuple[Served, ...]
    refused: tuple[tuple[str, int, int], ...] = ()


class LoadReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a load test measured. Times are in milliseconds from when a request was due, whether or not it
    could be sent then; `throughput` is in answers a second, memory in bytes that the service holds.
    `why` is the first error.
    """

    requests: int
    errors: int
    throughput: float
    p50: float
    p95: float
    p99: float
    max: float
    memory_before: int
    memory_after: int
    why: str = ""


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a version in a fresh process like the one that serves. `error` is empty when it was
    loaded and answered its recorded examples there.

    `memory` is what it takes in bytes and `available` what the machine has for it; `seconds` is how long it
    took to load, `answers` how long an example takes; `runtime` names versions and the processor.
    """

    error: str = ""
    memory: int = 0
    available: int = 0
    seconds: float = 0.0
    answers: float = 0.0
    runtime: dict[str, str] = {}


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """Predictions for n rows: `score` is P(last class) for binary, the value for regression,
    the highest probability for multiclass; `label` the class (or the value as text);
    `probabilities` has n rows with a column per class, empty for regression.
    """

    ids: tuple[str, ...]
    model: str
    version: int
    variant: str
    score: tuple[float, ...]
    label: tuple[str, ...]
    probabilities: tuple[tuple[float, ...], ...] = ()


class Lookup(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was read online of a feature view for n rows: by which `key`, column by column, and at which
    `time`; when what was found had happened (None: there was nothing), and what became of it (see
    `features.records.Status`). A row that brought all features of the view itself has the status GIVEN;
    `given` are by row the features of those that brought some.
    """

    key: dict[str, list[Any]]
    time: datetime
    event: list[datetime | None]
    status: list[str]
    given: dict[int, list[str]] = {}


class Attribution(msgspec.Struct, frozen=True, kw_only=True):
    """Why one answer is what it is: `contributions` of the columns sum to `value` less `baseline`.

    `value` is the answer's score (of several classes, the chance of the one that was answered), `baseline`
    what the model says of training rows on average, both on the `scale`: as it is, or as log-odds. `method`
    names how the contributions were found.
    """

    method: str
    scale: str
    baseline: float
    value: float
    contributions: dict[str, float]


class LogRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of the prediction log: n predictions that were answered together. `lookups` are by view."""

    ids: tuple[str, ...]
    time: datetime
    model: str
    environment: str
    version: int
    variant: str
    inputs: dict[str, list[Any]]
    lookups: dict[str, Lookup] = {}
    score: tuple[float, ...]
    label: tuple[str, ...]
