"""Pure decisions of rollouts: does a challenger go on, over, or back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Literal

import msgspec

from penstock.checks.check import CHAMPION, Check
from penstock.checks.distances import beyond_chance, distance, distance_of_classes
from penstock.checks.guard import DISTANCE, RATE, SERVED, compares, parse_guard
from penstock.checks.load import TIMES
from penstock.checks.sequential import Difference
from penstock.core.durations import duration
from penstock.deployments.types import Rollout
from penstock.serving.types import Contest, Loaded, Tally


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """What a contest is held to: the guards, on so many requests at least, at a share of the traffic."""

    guard: tuple[str, ...]
    requests: int
    share: int


class Guard(msgspec.Struct, frozen=True, kw_only=True):
    """How a guard stands: it holds, it fails, or it waits for numbers."""

    check: str
    state: Literal["holds", "fails", "waits"]
    why: str


class Quality(msgspec.Struct, frozen=True, kw_only=True):
    """What labels say so far: metrics of the challenger and of the champion, how many labels each has, and of
    guards on means what is sure (see `surely`).
    """

    challenger: Mapping[str, float] = {}
    champion: Mapping[str, float] = {}
    labels: tuple[int, int] = (0, 0)
    sure: Mapping[str, Difference] = {}


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of a rollout now, why, and the guards that it rests on."""

    kind: Literal["wait", "step", "promote", "revert"]
    why: str
    guards: tuple[Guard, ...] = ()


def next_move(
    rollout: Rollout, contest: Contest | None, loaded: Loaded | None, quality: Quality, now: datetime
) -> Move:
    """What to do with a rollout that goes on. `contest` and `loaded` are what the service tells of it, None
    as long as it does not know of it.

    It goes back as soon as anything speaks against the challenger, also while it is paused, and forward only
    when its time is over, enough requests were answered, and every guard that has its numbers holds.
    """
    if loaded and loaded.error:
        return Move(kind="revert", why=f"version {rollout.number} cannot be loaded: {loaded.error}")
    if contest is None or contest.share != rollout.share or not loaded or not loaded.ready:
        return Move(kind="wait", why="the prediction service is being told of it")
    if contest.died:
        return Move(
            kind="revert", why="the prediction process was killed, or ended itself, while it answered"
        )
    guards = guards_of(rules_of(rollout), contest, quality)
    if failed := [guard for guard in guards if guard.state == "fails"]:
        return Move(kind="revert", why="; ".join(guard.why for guard in failed), guards=guards)
    waits = _waits(rollout, contest, guards, now)
    if waits:
        return Move(kind="wait", why=waits, guards=guards)
    held = f"{contest.challenger.requests} requests at {rollout.share} % held every guard"
    last = rollout.step == len(rollout.steps) - 1
    return Move(kind="promote" if last else "step", why=held, guards=guards)


def rules_of(rollout: Rollout) -> Rules:
    """What a rollout is held to now."""
    return Rules(guard=rollout.guard, requests=rollout.requests, share=rollout.share)


def guards_of(rules: Rules, contest: Contest, quality: Quality) -> tuple[Guard, ...]:
    """How every guard stands."""
    return tuple(_guard(parse_guard(text), text, rules, contest, quality) for text in rules.guard)


def _waits(rollout: Rollout, contest: Contest, guards: tuple[Guard, ...], now: datetime) -> str:
    """Why it is not time to go on; empty when it is."""
    if rollout.status == "paused":
        return "it is paused"
    if contest.challenger.requests < rollout.requests:
        return f"{contest.challenger.requests} of {rollout.requests} requests were answered"
    if now - rollout.since < duration(rollout.every):
        return f"this step takes until {rollout.since + duration(rollout.every):%Y-%m-%d %H:%M:%S} UTC"
    return "; ".join(g.why for g in guards if g.state == "waits" and parse_guard(g.check).left in SERVED)


def _guard(check: Check, text: str, rules: Rules, contest: Contest, quality: Quality) -> Guard:
    if check.left not in SERVED:
        return _of_labels(check, text, rules, quality)
    ours, theirs = contest.challenger, contest.champion
    few = f"{ours.requests} of {rules.requests} requests were answered"
    if ours.requests < rules.requests:
        # Errors that are too many however good the requests to come are need not be waited for.
        result = check.evaluate({RATE: ours.errors / rules.requests})
        surely = check.left == RATE and not check.right and not result.passed
        return Guard(
            check=text,
            state="fails" if surely else "waits",
            why=_because(result.why, ours) if surely else few,
        )
    if compares(check) and theirs.requests < rules.requests:
        if rules.share == 100:
            return Guard(check=text, state="holds", why=f"{text}: no champion answers to compare with")
        return Guard(
            check=text,
            state="waits",
            why=f"the champion answered {theirs.requests} of {rules.requests} requests to compare with",
        )
    facts = _facts(ours) | {CHAMPION + name: value for name, value in _facts(theirs).items()}
    result = check.evaluate(facts | {DISTANCE: _distance(ours, theirs)})
    return _held(text, passed=result.passed, why=_because(result.why, ours))


def _of_labels(check: Check, text: str, rules: Rules, quality: Quality) -> Guard:
    """A guard on a metric: it waits as long as there are few labels, and nobody waits for it."""
    mine, champions = quality.labels
    if (sure := quality.sure.get(text)) and sure.verdict == "worse":
        why = f"{text} surely does not hold: it is missed by {sure.mean:.4g}, and by {sure.low:.4g} at least"
        return Guard(check=text, state="fails", why=f"{why}, after {mine} labels")
    fewest = min(mine, champions) if check.right else mine
    facts = {**quality.challenger, **{CHAMPION + n: value for n, value in quality.champion.items()}}
    wanted = [name for name in (check.left, check.right) if name]
    if fewest < rules.requests or any(math.isnan(facts.get(name, math.nan)) for name in wanted):
        return Guard(
            check=text, state="waits", why=f"{fewest} of {rules.requests} labels have come for {text}"
        )
    result = check.evaluate(facts)
    told = f"{result.why} by {mine} labels"
    if sure and not result.passed:
        return Guard(check=text, state="holds", why=f"{told}, which chance may have done")
    return _held(text, passed=result.passed, why=told)


def _facts(tally: Tally) -> dict[str, float]:
    times = {name: float(getattr(tally, name)) for name in TIMES}
    return {**times, RATE: tally.errors / max(1, tally.requests)}


def _distance(ours: Tally, theirs: Tally) -> float:
    """How far the challenger's answers surely are from the champion's, 0 to 1."""
    if ours.labels or theirs.labels:
        n, m = sum(ours.labels.values()), sum(theirs.labels.values())
        found = distance_of_classes(ours.labels, theirs.labels)
        return beyond_chance(found, n, m, len({*ours.labels, *theirs.labels}))
    return beyond_chance(distance(ours.scores, theirs.scores), len(ours.scores), len(theirs.scores))


def _because(why: str, ours: Tally) -> str:
    told = f", {ours.errors} of them failed ({ours.why})" if ours.why else ""
    return f"{why} in {ours.requests} requests{told}"


def _held(text: str, *, passed: bool, why: str) -> Guard:
    return Guard(check=text, state="holds" if passed else "fails", why=why)
