"""What the holdout of each version has taught, and estimates out of it."""

from __future__ import annotations

from functools import reduce
from typing import Any

import msgspec
from numpy.typing import ArrayLike

from penstock.datasets.profiles import merge
from penstock.datasets.types import Profile
from penstock.lineage.ports import Between, Blobs, Reader
from penstock.models.types import Version
from penstock.monitoring.estimates import LEAST, Estimator, estimated
from penstock.monitoring.types import Figure, Prediction, Window


class Estimators:
    """Reads what was kept with versions, the newest of them once."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self._known: dict[str, Estimator] = {}

    def of(self, version: Version, scores: ArrayLike, asked: Profile) -> dict[str, Figure]:
        """The metrics of answers with these scores, shape (n,), as far as they can be told without labels."""
        known = self.learnt(version)
        return estimated(known, version.signature.task, scores, asked, version.profile) if known else {}

    def learnt(self, version: Version) -> Estimator | None:
        """What the holdout of a version has taught, None where it was too small."""
        if not version.estimator:
            return None
        if version.estimator not in self._known:
            found = msgspec.json.decode(self._blobs.get(version.estimator), type=Estimator)
            self._known = {version.estimator: found}
        return self._known[version.estimator]

    def unsaid(self, version: Version, answers: int) -> str:
        """Why nothing is estimated of so many answers, in words; empty where something is."""
        if not version.estimator:
            return f"nothing was learnt of its holdout, which takes {LEAST} rows"
        return f"its {answers:,} answers are fewer than the {LEAST} that it takes" if answers < LEAST else ""

    def over(
        self,
        reader: Reader,
        model: str,
        environment: str,
        span: Between,
        *,
        version: int | None,
        variant: str,
    ) -> dict[str, Figure]:
        """The same over all answers in a span; nothing where several versions answered.

        Of what was asked, days count as a whole that begin in the span.
        """
        where: dict[str, Any] = {"model": model, "environment": environment, "variant": variant}
        if version is not None:
            where["version"] = version
        windows = reader.find(Window, **where, start=span)
        if len({window.version for window in windows}) != 1:
            return {}
        answered = reader.get(Version, f"{model}@{windows[0].version}")
        scores = [score for (score,) in reader.pick(Prediction, ("score",), **where, time=span)]
        return self.of(answered, scores, reduce(merge, (window.profile for window in windows)))
