"""Nouns of deployments: releases in environments, and the gates of model versions."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec

Kind = Literal["push", "merge", "promote", "branch", "rollback"]


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    """A release placed in an environment. `id` is a number; `active` until another takes its place.

    `kind` is how it came there: by the environment's rule, or back from a later one. `branch` is the
    one whose preview the environment is, empty where it is none; with that goes what is active there.
    """

    id: str
    project: str
    environment: str
    release: str
    commit: str
    deployed: datetime
    actor: str
    why: str
    kind: Kind
    active: bool
    event: int
    branch: str = ""


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    """A person's word that nothing is deployed to an environment until it is `lifted`. `id` is a number."""

    id: str
    project: str
    environment: str
    why: str
    actor: str
    since: datetime
    lifted: datetime | None = None
    event: int = 0


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to one check or proof of a gate, with its raw numbers.

    One that failed stands in nobody's way where it is `waived`, which says by whom, until when, and why.
    """

    check: str
    passed: bool
    why: str
    evidence: dict[str, Any] = {}
    waived: str = ""

    @property
    def holds(self) -> bool:
        """Whether it lets a version through."""
        return self.passed or bool(self.waived)


class GateReport(msgspec.Struct, frozen=True, kw_only=True):
    """The verdicts on a model version's digest. `id` is `environment:model@number`.

    `quality` is what was measured of the version's answers to its holdout: metrics with intervals,
    calibration, slices, a constant, and the gain over the champion (see `quality.Assessment`). A version is
    `waiting` that lacks nothing but people who sign it.
    """

    id: str
    environment: str
    model: str
    number: int
    artifact: str
    time: datetime
    outcome: Literal["passed", "failed", "waiting"]
    verdicts: tuple[Verdict, ...]
    event: int
    quality: dict[str, Any] = {}


class SignOff(msgspec.Struct, frozen=True, kw_only=True):
    """A person's word that a version, of this digest, may go live in an environment. `id` is a number."""

    id: str
    project: str
    environment: str
    model: str
    number: int
    artifact: str
    actor: str
    why: str
    time: datetime
    event: int


class Waiver(msgspec.Struct, frozen=True, kw_only=True):
    """A person's word that a check, which a version of this digest failed, is no obstacle `until` then.

    `id` is a number.
    """

    id: str
    project: str
    environment: str
    model: str
    number: int
    artifact: str
    check: str
    actor: str
    why: str
    since: datetime
    until: datetime
    event: int


Status = Literal["running", "paused", "promoted", "reverted", "aborted"]


class Rollout(msgspec.Struct, frozen=True, kw_only=True):
    """A version that passed its gate takes over from a champion, or goes back. `id` is a number.

    `steps` are percentages, `step` the place of the one that it is at `since`; each takes `every` and
    `requests` answers at least, while every `guard` holds. `key` is the column by which requests are
    assigned. `why` tells of its last change, `event` of that in the ledger.
    """

    id: str
    project: str
    environment: str
    model: str
    number: int
    champion: int
    status: Status
    steps: tuple[int, ...]
    step: int
    every: str
    guard: tuple[str, ...]
    requests: int
    key: str
    started: datetime
    since: datetime
    ended: datetime | None
    actor: str
    why: str
    event: int

    @property
    def share(self) -> int:
        """Percent of the keys that the challenger answers, or answered when the rollout ended."""
        if self.ended:
            return 100 if self.status == "promoted" else 0
        return self.steps[self.step]

    @property
    def contest(self) -> str:
        """What the prediction service calls it."""
        return f"rollout:{self.id}"


class ProductionTest(msgspec.Struct, frozen=True, kw_only=True):
    """A version that an ML expert has tried beside the champion: as a shadow, or in an A/B test by its
    `share` of the keys. `id` is a number.

    It waits for its gate, then runs until `until`, or until `metric` tells the two apart, and changes
    nothing. It is held to `guard` on `requests` answers, and ends when that fails. `verdict` is of the
    challenger, empty as long as there are no labels. `why` tells of its last change, `event` of that in the
    ledger.
    """

    id: str
    project: str
    environment: str
    model: str
    number: int
    champion: int
    kind: Literal["shadow", "ab"]
    share: int
    metric: str
    status: Literal["waiting", "running", "ended"]
    verdict: Literal["", "better", "worse", "open"]
    guard: tuple[str, ...]
    requests: int
    key: str
    started: datetime
    until: datetime | None
    ended: datetime | None
    actor: str
    why: str
    event: int

    @property
    def contest(self) -> str:
        """What the prediction service calls it."""
        return f"test:{self.id}"


class Swap(msgspec.Struct, frozen=True, kw_only=True):
    """The prediction service was seen to answer with another champion. `id` is a number."""

    id: str
    environment: str
    model: str
    before: int
    after: int
    time: datetime
    event: int
