"""Nouns of monitoring."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from penstock.datasets.types import Profile
from penstock.features.types import ColumnSkew
from penstock.revisions.config.conditions import Drifts
from penstock.serving.types import Counters


class Prediction(msgspec.Struct, frozen=True, kw_only=True):
    """One answer that was given. `id` is the prediction id; the first with an id counts. `slices` are the
    names of those that it belongs to.
    """

    id: str
    model: str
    environment: str
    version: int
    variant: str
    time: datetime
    score: float
    label: str
    truth: float | None = None
    truth_known: datetime | None = None
    slices: tuple[str, ...] = ()


class Figure(msgspec.Struct, frozen=True):
    """A number with the bounds that it lies between with 95 % confidence."""

    value: float
    low: float
    high: float


class Unsaid(msgspec.Struct, frozen=True, kw_only=True):
    """Why nothing is said of what is watched of a window, of one `column` of it, or of its metrics before
    labels are there.
    """

    what: Literal["inputs", "outputs", "labels", "relation", "estimates"]
    column: str = ""
    why: str


class Sliced(msgspec.Struct, frozen=True, kw_only=True):
    """The answers of a window that belong to a slice, and how good they were, with `bands` of 95 %."""

    slice: str
    predictions: int = 0
    labelled: int = 0
    metrics: dict[str, float] = {}
    bands: dict[str, tuple[float, float]] = {}


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """A span of prediction time of one version. `id` is `environment:model@version:variant:start`.

    Of so many of its predictions features were read online as `lookups` says.
    Labels of it were told so often as `tellings` says.
    `metrics` are measured on the labelled predictions, within `bands` with 95 % confidence; `completeness` is
    the share of these (0 to 1). `estimated` are the metrics as far as they can be told without labels.
    `drift` is the distance (PSI) of each input column from the training profile. `unsaid` tells, once its day
    is over, of what nothing is said. `truth` is what its labels were used for once they were known:
    it was `judged` by them and the relation had not `moved`, or had; they belong to what later windows are
    held against (`learnt`), or neither, since another version answered by then or it is no whole day
    (`passed`). `slices` are those that the model's project declares.
    """

    id: str
    environment: str
    model: str
    version: int
    variant: str
    start: datetime
    end: datetime
    predictions: int
    labelled: int
    completeness: float
    metrics: dict[str, float]
    drift: dict[str, float]
    profile: Profile
    measured: datetime
    bands: dict[str, tuple[float, float]] = {}
    estimated: dict[str, Figure] = {}
    unsaid: tuple[Unsaid, ...] = ()
    lookups: int = 0
    truth: Literal["", "passed", "learnt", "judged", "moved"] = ""
    slices: tuple[Sliced, ...] = ()
    tellings: int = 0


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What a window's figures were on a day, by the labels known at its end. `id` is `window/day`.

    Labels that came late or were corrected show as readings that differ; the newest is what the window tells.
    """

    id: str
    window: str
    time: datetime
    labelled: int
    completeness: float
    metrics: dict[str, float]
    bands: dict[str, tuple[float, float]]


class Skew(msgspec.Struct, frozen=True, kw_only=True):
    """How far what answers read online of a `view` is from what training reads at the same keys and moments.

    `id` is `window:view`, and `run` compares: of the `lookups` answers of the window `rows`. `skew` and
    `stale` are shares (0 to 1), each of the column where it is largest: of values that are wrong, and of
    those that were right when the store was filled, which was `lag` seconds before at most. `failed` are the
    declared checks that do not hold; `unsaid` is why there are no figures.
    """

    id: str
    window: str
    project: str
    environment: str
    model: str
    version: int
    view: str
    start: datetime
    end: datetime
    lookups: int
    rows: int = 0
    lag: float | None = None
    run: str = ""
    skew: float | None = None
    stale: float | None = None
    columns: tuple[ColumnSkew, ...] = ()
    failed: tuple[str, ...] = ()
    unsaid: str = ""
    measured: datetime | None = None
    event: int = 0


What = Drifts
"""What is watched for drift: what models are asked, what they answer, what really happened, and how that
follows from what they are asked.
"""


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """A column that moved, or a pair that went together otherwise (`price and items`): `distance` is that of
    Jensen and Shannon (0 to 1), `chance` how likely any column moves so far without change, `influence` its
    share in the movement of answers, None where nobody knows.
    `distance` and `psi` are None of numbers of which the mean alone is watched, and of pairs.
    """

    column: str
    distance: float | None
    psi: float | None
    chance: float
    influence: float | None
    how: str


class Alarm(msgspec.Struct, frozen=True, kw_only=True):
    """A window of a champion was judged bad, and so were those after it until it `ended`. `id` is a number.

    `since` is when the change most likely began, `raised` when it was seen and `last` the end of the newest
    bad window, whose `columns` these are, the surest first. `chance` is how likely a window of `rows` answers
    (or labels) is judged so without change, and `false_alarms` how often the operator allows that. An alarm
    that went `back` ended since windows were as in training again, and not since another version answered.
    """

    id: str
    project: str
    environment: str
    model: str
    version: int
    what: What
    raised: datetime
    since: datetime
    window: str
    last: datetime
    windows: int
    rows: int
    chance: float
    false_alarms: str
    columns: tuple[Moved, ...]
    why: str
    ended: datetime | None = None
    event: int = 0
    back: bool = False


class Performance(msgspec.Struct, frozen=True, kw_only=True):
    """Performance over any span: `low` and `high` bound `value` with 95 % confidence where known.

    `estimate` is what it most likely is over all predictions, labelled or not, None where nobody can tell.
    """

    metric: str
    value: float | None
    low: float | None
    high: float | None
    predictions: int
    labelled: int
    completeness: float
    estimate: Figure | None = None


class Traffic(msgspec.Struct, frozen=True, kw_only=True):
    """How a version was asked on a UTC day. `id` is that of the window of the day.

    `times` counts the answered requests by how long they took, by the buckets of `serving.types.TIMES`; each
    asked for some of the `rows`. `refused` are requests to its model by name that were answered with an
    error, by status, on a champion.
    """

    id: str
    environment: str
    model: str
    version: int
    variant: str
    start: datetime
    rows: int
    times: tuple[int, ...]
    refused: dict[str, int] = {}


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """The counters of the prediction service as of which its traffic was added up. There is one."""

    id: str
    counters: tuple[Counters, ...]


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """Traffic as people read it: quantiles of the time of requests in milliseconds."""

    requests: int
    rows: int
    refused: dict[str, int]
    p50: float
    p95: float
    p99: float


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """What a version has done as champion: its runtime metrics.

    `metrics` and `drift` are those of the newest window that has them; `first` and `last` bound
    the windows in which it answered, None before its first answer is known.
    """

    predictions: int
    labelled: int
    first: datetime | None
    last: datetime | None
    metrics: dict[str, float]
    drift: dict[str, float]


class Scored(msgspec.Struct, frozen=True, kw_only=True):
    """How estimates of a metric came out once labels were known: over how many windows, in how many of them
    it came to lie in the band, and by how much it was above the estimate on average.
    """

    metric: str
    windows: int
    inside: int
    above: float
