"""Pure decisions: does a release arrive, does a gate let a version through, who becomes what."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from penstock.checks import is_load, is_sign_off, parse, parse_load
from penstock.checks.load import FACTS as LOAD_FACTS
from penstock.checks.metrics import METRICS
from penstock.core.sizes import size_text
from penstock.deployments.edges import Edge
from penstock.deployments.quality import Assessment
from penstock.deployments.types import Deployment, Verdict
from penstock.models.types import Placement, Role
from penstock.revisions.config import EnvironmentConfig, preview_name
from penstock.revisions.types import Branch
from penstock.serving.answers import TOLERANCE, Examples
from penstock.serving.types import Answer, Loaded, LoadReport, Plan, Probe, ServedModel


class Contract(msgspec.Struct, frozen=True, kw_only=True):
    """What the prediction service answered to the recorded examples. `error` is empty if it answered.

    `max_difference` of scores is relative to the larger of 1 and the recorded score; `edges` are requests
    at the edges of the schema.
    """

    examples: int = 0
    max_difference: float = 0.0
    labels_differ: int = 0
    edges: tuple[Edge, ...] = ()
    error: str = ""


class Quality(msgspec.Struct, frozen=True, kw_only=True):
    """What one version scored on the candidate's holdout, answered by the prediction service.

    `metrics` is empty and `error` says why where it could not answer.
    """

    metrics: dict[str, float] = {}
    error: str = ""


class Died(msgspec.Struct, frozen=True, kw_only=True):
    """The prediction service was up and failed so many times while a version was tried; the last reason."""

    times: int
    last: str


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """All that a gate is judged by. `recorded` are metrics as the run recorded them.

    `champion` is the champion's number, 0 while there is none. `measured` rows, evenly taken
    from `holdout` rows, were asked of the prediction service. `loads` are by the lines of the gate, and
    `data` are numbers of the training rows. `lacks` says why a version has less on record than others,
    `pickled` why it may be a pickle, empty where it is none.
    """

    recorded: dict[str, float]
    died: Died | None = None
    load_error: str = ""
    contract: Contract | None = None
    infrastructure: Probe = Probe(error="it was not asked for")
    loads: dict[str, LoadReport] = {}
    candidate: Quality = Quality()
    champion: int = 0
    champion_recorded: dict[str, float] = {}
    champion_measured: Quality = Quality()
    holdout: int = 0
    measured: int = 0
    assessed: Assessment = Assessment()
    data: dict[str, float] = {}
    lacks: str = ""
    pickled: str = ""


def arrives(rule: EnvironmentConfig, branch: Branch, past: Iterable[Deployment]) -> bool:
    """Whether the release at a branch's head is to be deployed by this rule.

    `past` are the deployments of its commit there. One made since the branch moved means that the
    rule has been followed, also when someone rolled it back afterwards.
    """
    if branch.deleted or not reached(rule, branch.name):
        return False
    if rule.on == "branch" and branch.merged:
        return False
    if rule.on == "merge" and len(branch.approvals) < rule.approvals:
        return False
    return not any(d.active or d.event > branch.event for d in past)


def reached(rule: EnvironmentConfig, branch: str) -> str:
    """The environment that a branch's releases go to by this rule, empty if there is none."""
    if rule.on == "branch":
        return preview_name(rule.name, rule.branches, branch)
    return rule.name if rule.on != "promote" and rule.branch == branch else ""


def outlived(previews: Iterable[Deployment], branches: Iterable[Branch]) -> list[tuple[Deployment, str, int]]:
    """The previews whose branch is merged or deleted: what is active there, why it goes, and the cause."""
    ended = {
        branch.name: ("deleted", branch.event) if branch.deleted else ("merged", branch.merged)
        for branch in branches
        if branch.deleted or branch.merged
    }
    found = [(preview, *ended[preview.branch]) for preview in previews if preview.branch in ended]
    return [(preview, f"{preview.branch} was {how}", event) for preview, how, event in found]


def surplus(previews: Iterable[Deployment], limit: int) -> list[Deployment]:
    """The previews beyond the limit: those that were deployed to longest ago."""
    oldest = sorted(previews, key=lambda preview: preview.event)
    return oldest[: max(0, len(oldest) - limit)]


def standing(history: Iterable[Deployment]) -> list[str]:
    """The releases that an environment could go back through, the one that is there last.

    `history` are its deployments, the oldest first. A rollback takes away what it went back over,
    so that a second one goes further back and not forth again.
    """
    stack: list[str] = []
    for deployment in history:
        if deployment.kind == "rollback" and deployment.release in stack:
            del stack[stack.index(deployment.release) + 1 :]
            continue
        if deployment.release in stack:
            stack.remove(deployment.release)
        stack.append(deployment.release)
    return stack


def judge(gate: Sequence[str], model: str, facts: Facts) -> tuple[Verdict, ...]:
    """The verdicts of a gate. It is passed when every one of them is.

    A version that the prediction service cannot load, or dies of, fails whatever the gate asks, one that does
    not fit is not loaded beside the others,
    and so does one without a gate: nothing has been proved of it.
    """
    if not gate:
        return (
            Verdict(
                check="gate",
                passed=False,
                why=f"An empty gate is not a passed gate. Add [models.{model}] with gate = [...] "
                "to penstock.toml.",
            ),
        )
    if facts.died:
        why = f"the prediction service failed {facts.died.times} times while it was tried: {facts.died.last}"
        return (Verdict(check="loads", passed=False, why=why, evidence=msgspec.to_builtins(facts.died)),)
    if "infrastructure" in gate and not fits(facts.infrastructure):
        return (_infrastructure(facts.infrastructure),)
    if facts.load_error:
        return (
            Verdict(
                check="loads", passed=False, why=f"the prediction service cannot load it: {facts.load_error}"
            ),
        )
    asked = [text for text in gate if not is_sign_off(text)]  # people are asked last
    return (
        *_pickled(facts.pickled),
        *(_verdict(text, facts) for text in asked),
        *_baseline(facts.assessed),
    )


def _pickled(why: str) -> Iterator[Verdict]:
    """What every gate says of a pickle: that it runs what it names, and who wants it why."""
    if why:
        told = f"it is a pickle, which runs whatever code it names; penstock.toml allows it: {why}"
        yield Verdict(check="unsafe_pickle", passed=True, why=told, evidence={"reason": why})


def _verdict(text: str, facts: Facts) -> Verdict:
    if is_load(text):
        return _load(text, facts.loads.get(text))
    match text:
        case "contract":
            return _contract(facts.contract)
        case "infrastructure":
            return _infrastructure(facts.infrastructure)
    return _check(text, facts)


def _baseline(assessed: Assessment) -> Iterator[Verdict]:
    """Whether a version does better than a constant, which every gate asks where there is a holdout."""
    name = next((name for name in assessed.metrics if name in assessed.baseline), "")
    if not name:
        return
    mine, constant = assessed.metrics[name].value, assessed.baseline[name]
    beaten = mine > constant if METRICS[name].greater_is_better else mine < constant
    why = (
        f"{name} {mine:.4g} {'beats' if beaten else 'does not beat'} the {constant:.4g} of a constant that "
        f"knows only the labels of the {assessed.baseline_from}"
    )
    evidence = {"version": msgspec.to_builtins(assessed.metrics), "constant": assessed.baseline}
    yield Verdict(check="baseline", passed=beaten, why=why, evidence=evidence)


def fits(probe: Probe) -> bool:
    """Whether a version could be loaded and has room where it is to serve."""
    return not probe.error and probe.memory <= probe.available


def _infrastructure(probe: Probe) -> Verdict:
    evidence = msgspec.to_builtins(probe)
    if not fits(probe):
        why = probe.error or f"it takes {size_text(probe.memory)} and there are {size_text(probe.available)}"
        return Verdict(check="infrastructure", passed=False, why=why, evidence=evidence)
    why = (
        f"loaded in a fresh process of the prediction service in {probe.seconds:.2g} s, taking "
        f"{size_text(probe.memory)} of {size_text(probe.available)} there, an example answered in "
        f"{probe.answers * 1000:.2g} ms"
    )
    return Verdict(check="infrastructure", passed=True, why=why, evidence=evidence)


def _load(text: str, report: LoadReport | None) -> Verdict:
    if report is None:
        return Verdict(check=text, passed=False, why="there are no examples to ask")
    load, evidence = parse_load(text), msgspec.to_builtins(report)
    results = load.evaluate({name: float(evidence[name]) for name in LOAD_FACTS})
    told = "; ".join(result.why for result in results)
    why = (
        f"of {report.requests} requests at {load.rate:g}/s: {told}{f' ({report.why})' if report.why else ''}"
    )
    return Verdict(check=text, passed=all(result.passed for result in results), why=why, evidence=evidence)


def _contract(contract: Contract | None) -> Verdict:
    if contract is None:
        return Verdict(check="contract", passed=False, why="no examples were recorded")
    evidence = {"examples": contract.examples, "tolerance": TOLERANCE}
    if contract.error:
        return Verdict(check="contract", passed=False, why=contract.error, evidence=evidence)
    evidence |= {"max_difference": contract.max_difference, "labels_differ": contract.labels_differ}
    fell = [edge for edge in contract.edges if edge.why]
    evidence["edges"] = msgspec.to_builtins(contract.edges)
    agrees = contract.max_difference <= TOLERANCE and not contract.labels_differ and contract.examples > 0
    passed = agrees and not fell
    why = (
        f"{contract.examples} recorded examples answered by the prediction service, "
        f"scores at most {contract.max_difference:.2g} apart, {contract.labels_differ} labels differ"
    )
    if contract.edges:
        why += f"; {len(contract.edges) - len(fell)} of {len(contract.edges)} edges of the schema hold"
    if fell:
        why += "; " + "; ".join(f"{edge.name}: {edge.why}" for edge in fell[:3])
    return Verdict(check="contract", passed=passed, why=why, evidence=evidence)


def _check(text: str, facts: Facts) -> Verdict:
    check = parse(text)
    names = {"left": check.left, "right": check.right}
    parts = {name: part for name in names.values() if (part := facts.assessed.worst_of(name))}
    of_parts = {name: part.metrics[name.rpartition(".")[2]] for name, part in parts.items()}
    result = check.evaluate(check_facts(facts) | of_parts)
    evidence: dict[str, Any] = {"left": result.left, "right": result.right}
    evidence |= {name: msgspec.to_builtins(part) for name, part in parts.items()}
    evidence |= {
        f"gain({name})": msgspec.to_builtins(each)
        for name, each in facts.assessed.gains.items()
        if f"gain({name})" in text
    }
    if "ece" in names.values():
        evidence["reliability"] = msgspec.to_builtins(facts.assessed.reliability)
    if facts.measured:
        evidence |= {"holdout": facts.holdout, "measured": facts.measured, "service": facts.candidate.metrics}
    if "champion." in text and facts.champion:
        evidence |= {"champion": facts.champion, "champion_source": _champion_source(facts)}
    found = "".join(f", in {part.rows} rows where {part.slice}" for part in parts.values())
    lacks = f"; {facts.lacks}" if facts.lacks and result.left is None and not result.passed else ""
    return Verdict(check=text, passed=result.passed, why=f"{result.why}{found}{lacks}", evidence=evidence)


def check_facts(facts: Facts) -> dict[str, float]:
    """The numbers that checks may name: the candidate's metrics, and the champion's as `champion.NAME`.

    The champion's are those measured now on the same rows; what was not measured is as its run
    recorded it. Its number is a fact too, so that a champion without metrics is not taken for none.
    Beside them are those of the training rows, of a constant, and of the gain over the champion.
    """
    own = facts.data | facts.recorded | facts.assessed.facts
    if not facts.champion:
        return own
    champion = {"number": facts.champion} | facts.champion_recorded | facts.champion_measured.metrics
    return own | {f"champion.{name}": value for name, value in champion.items()}


def _champion_source(facts: Facts) -> str:
    if facts.champion_measured.metrics:
        part = "" if facts.measured == facts.holdout else f" of {facts.holdout}, evenly taken"
        return f"measured through the prediction service on {facts.measured} holdout rows{part}"
    return f"as its own run recorded it: {facts.champion_measured.error or 'nothing to measure it on'}"


def demotions(placements: Iterable[Placement], number: int) -> list[tuple[int, Role]]:
    """Who steps down to what when `number` becomes a model's champion.

    The champion becomes the previous one, and the previous one retires.
    """
    roles: dict[int, Role] = {p.number: p.role for p in placements if p.number != number}
    if "champion" not in roles.values():
        return []
    after: dict[Role, Role] = {"previous": "retired", "champion": "previous"}
    return [(n, after[role]) for n, role in roles.items() if role in after]


def live(plan: Plan, loaded: Iterable[Loaded]) -> list[tuple[ServedModel, bool]]:
    """The models that have a champion, and whether it is seen to answer.

    Of a model that serves in several environments only the first in the plan leads its URL;
    the champions of the others answer by their number.
    """
    ready = {(seen.model, seen.number): seen.champion for seen in loaded if seen.ready}
    leaders = {model.name: model for model in reversed(plan.models)}
    found = []
    for model in plan.models:
        if model.champion:
            place = (model.name, model.champion)
            found.append((model, place in ready and (ready[place] or leaders[model.name] is not model)))
    return found


def difference(recorded: Examples, answer: Answer, *, classes: bool) -> Contract:
    """Compare an answer with the recorded one, row by row.

    Labels count where the model tells `classes` apart: a regression's label is its score, rounded.
    """
    n = len(recorded.score)
    if len(answer.score) != n:
        return Contract(examples=n, error=f"{n} examples were asked and {len(answer.score)} answered")
    scores = zip(recorded.score, answer.score, strict=True)
    labels = zip(recorded.label, answer.label, strict=True) if classes else ()
    return Contract(
        examples=n,
        max_difference=max((abs(then - now) / max(1.0, abs(then)) for then, now in scores), default=0.0),
        labels_differ=sum(then != now for then, now in labels),
    )
