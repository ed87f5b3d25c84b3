"""Pure decisions of tests in production: which metric decides, and whether one is over."""

from __future__ import annotations

from datetime import datetime

from penstock.checks.guard import SERVED, parse_guard
from penstock.checks.metrics import METRICS
from penstock.checks.sequential import LOSSES, Difference
from penstock.core.errors import InvalidValue, NotAllowed
from penstock.deployments.steps import Quality, Rules, guards_of
from penstock.deployments.truth import METRICS_OF
from penstock.deployments.types import ProductionTest
from penstock.models.types import Version
from penstock.serving.types import Contest, Loaded


def over(  # noqa: PLR0917 - all that is known of a test
    test: ProductionTest,
    champion: int,
    contest: Contest | None,
    loaded: Loaded | None,
    difference: Difference | None,
    now: datetime,
) -> str:
    """Why a test is over; empty while it is not."""
    if champion != test.champion:
        return f"the champion is version {champion} now"
    if test.until and now >= test.until:
        return f"its time was over: {sentence(test, difference)}"
    if test.status == "waiting":
        return ""
    if harm := _harm(test, contest, loaded):
        return harm
    decided = difference is not None and difference.verdict != "open"
    return sentence(test, difference) if decided else ""


def _harm(test: ProductionTest, contest: Contest | None, loaded: Loaded | None) -> str:
    """What a version does wrong, empty for nothing that is known."""
    if loaded and loaded.error:
        return f"version {test.number} cannot be loaded: {loaded.error}"
    if contest and contest.died:
        return "the prediction process was killed, or ended itself, while it was tried"
    guards = guards_of(rules_for(test), contest, Quality()) if contest else ()
    return "; ".join(guard.why for guard in guards if guard.state == "fails")


def sentence(test: ProductionTest, difference: Difference | None) -> str:
    """What labels say of a test."""
    if difference is None:
        return "no labels have come"
    told = {"better": "is better", "worse": "is worse", "open": "cannot be told apart from the champion"}
    loss = "1 - accuracy" if test.metric == "accuracy" else test.metric
    return (
        f"version {test.number} {told[difference.verdict]}: its {loss} less the champion's "
        f"is {difference.mean:.4g}, "
        f"surely between {difference.low:.4g} and {difference.high:.4g}, in {difference.blocks} blocks"
    )


def metric_for(wished: str, version: Version) -> str:
    """The metric that decides: the one wished, else one of the task that can be looked at again and again.

    Raises InvalidValue for another, NotAllowed for a version that cannot be served.
    """
    task = METRICS_OF.get(version.signature.task, ())
    usable = [name for name in ("brier", "accuracy", "mae") if name in task]
    if wished and (wished not in LOSSES or wished not in task):
        raise InvalidValue(
            what=f"{wished} cannot decide a test of {version.id}",
            expected=f"one of {', '.join(name for name in LOSSES if name in task)}",
            found=f"{wished}, which is no mean over rows" if wished in METRICS else wished,
        )
    if not usable:
        raise NotAllowed(
            what=f"{version.id} is kept as a client uploaded it and cannot be served", fix="Publish it."
        )
    return wished or usable[0]


def rules_for(test: ProductionTest) -> Rules:
    """What a test is held to."""
    return Rules(guard=test.guard, requests=test.requests, share=test.share)


def served_guard(text: str) -> bool:
    """Whether a guard is on answers alone, not on labels."""
    return parse_guard(text).left in SERVED
