"""What versions on contest did, counted in bounded memory."""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Sequence
from random import Random

import msgspec

from penstock.serving.types import Answer, Tally

SAMPLE = 500
"""Scores that are kept of a version."""
QUICK, PROVEN = 0.005, 20
"""Seconds that a version takes at most, as it did lately, to be called quick; and after how many requests."""
_GROWTH = math.log(1.05)


class Counts(msgspec.Struct):
    """What one process has counted of a version; see `Tally`. `times` are counts by bucket, `scores` an even
    sample of `scored` answers.
    """

    number: int
    requests: int = 0
    errors: int = 0
    dropped: int = 0
    why: str = ""
    longest: float = 0.0
    times: dict[int, int] = {}
    scored: int = 0
    scores: list[float] = []
    labels: dict[str, int] = {}

    def tally(self) -> Tally:
        """The counts as they are told."""
        p50, p95, p99 = (self._quantile(share) for share in (0.5, 0.95, 0.99))
        return Tally(
            number=self.number,
            requests=self.requests,
            errors=self.errors,
            dropped=self.dropped,
            why=self.why,
            p50=p50,
            p95=p95,
            p99=p99,
            max=self.longest,
            scores=tuple(self.scores),
            labels=self.labels,
        )

    def _quantile(self, share: float) -> float:
        wanted, seen = share * sum(self.times.values()), 0
        for bucket in sorted(self.times):
            seen += self.times[bucket]
            if seen >= wanted:
                return min(math.exp(bucket * _GROWTH), self.longest)
        return 0.0


class Watched(msgspec.Struct):
    """What one process has seen of a contest; see `Contest`."""

    id: str
    share: int
    champion: Counts
    challenger: Counts
    died: bool


def merged(every: Sequence[Counts]) -> Counts:
    """What several processes have counted of one version. Of samples each gives its part."""
    if len(every) == 1:
        return every[0]
    times, labels, scored = Counter[int](), Counter[str](), sum(each.scored for each in every)
    random, scores = Random(every[0].number), list[float]()  # noqa: S311 - a sample, no secret
    for each in every:
        times.update(each.times)
        labels.update(each.labels)
        part = math.ceil(SAMPLE * each.scored / scored) if scored > SAMPLE else len(each.scores)
        scores += random.sample(each.scores, min(part, len(each.scores)))
    return Counts(
        number=every[0].number,
        requests=sum(each.requests for each in every),
        errors=sum(each.errors for each in every),
        dropped=sum(each.dropped for each in every),
        why=next((each.why for each in every if each.why), ""),
        longest=max(each.longest for each in every),
        times=times,
        scored=scored,
        scores=scores,
        labels=labels,
    )


class Tallying:
    """Counts the answers of one version in one contest; safe in several threads.

    Times fall into buckets that grow by 5 %, so that a quantile is at most so far off (Masson, Rim and Lee
    2019, DDSketch); scores are an even sample (Vitter 1985, algorithm R).
    """

    def __init__(self, number: int) -> None:
        self._number = number
        self._lock = threading.Lock()
        self._random = Random(number)  # noqa: S311 - a sample, no secret
        self._requests = self._errors = self._dropped = self._scored = 0
        self._why = ""
        self._longest = self._lately = 0.0
        self._times: Counter[int] = Counter()
        self._scores: list[float] = []
        self._labels: Counter[str] = Counter()

    def answered(self, answer: Answer, seconds: float, *, classes: bool) -> None:
        """A request was answered; the labels of `classes` are counted."""
        with self._lock:
            self._requests += 1
            self._time(seconds)
            for score in answer.score:
                self._scored += 1
                if len(self._scores) < SAMPLE:
                    self._scores.append(score)
                elif (place := self._random.randrange(self._scored)) < SAMPLE:
                    self._scores[place] = score
            if classes:
                self._labels.update(answer.label)

    def failed(self, why: str, seconds: float) -> None:
        """A request was not answered."""
        with self._lock:
            self._requests += 1
            self._errors += 1
            self._why = self._why or why
            self._time(seconds)

    @property
    def quick(self) -> bool:
        """Whether the version has done nothing wrong and took little time lately."""
        return self._requests >= PROVEN and not self._errors and self._lately < QUICK

    def dropped(self) -> None:
        """A request was not asked."""
        with self._lock:
            self._dropped += 1

    def counted(self) -> Counts:
        """The counts so far."""
        with self._lock:
            return Counts(
                number=self._number,
                requests=self._requests,
                errors=self._errors,
                dropped=self._dropped,
                why=self._why,
                longest=self._longest,
                times=dict(self._times),
                scored=self._scored,
                scores=[*self._scores],
                labels=dict(self._labels),
            )

    def _time(self, seconds: float) -> None:
        self._lately += (seconds - self._lately) / 10
        took = max(seconds * 1000, 0.001)
        self._longest = max(self._longest, took)
        self._times[math.ceil(math.log(took) / _GROWTH)] += 1
