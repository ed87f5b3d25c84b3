"""People before a gate: who signs a version, and who waives a check that it failed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from penstock.checks import is_sign_off, signatures
from penstock.core.clock import Clock
from penstock.core.errors import Conflict, InvalidValue, NotAllowed, NotFound
from penstock.core.events import Event
from penstock.core.words import meant
from penstock.deployments.types import GateReport, SignOff, Verdict, Waiver
from penstock.lineage.ports import Reader, Store, Transaction
from penstock.models.service import Models
from penstock.models.types import Placement, Version
from penstock.revisions.decide import same_person

UNWAIVABLE = ("gate", "loads", "expires_after", "rollout")
"""What no word can make good: a version that cannot serve, or whose time is over."""
LONGEST = timedelta(days=366)


class Signing:
    """Keeps what people say of versions that stand before a gate."""

    def __init__(self, store: Store, models: Models, clock: Clock) -> None:
        self._store = store
        self._models = models
        self._clock = clock

    def sign(self, version: str, environment: str, *, why: str, actor: str) -> SignOff:
        """Say that a version may go live; its gate looks at it once more.

        Raises NotFound, InvalidValue without a reason, and NotAllowed for who wrote the commit that made it.
        """
        _require_reason("A sign-off", why)
        now = self._clock.now()
        with self._store.begin() as tx:
            found = tx.get(Version, version)
            report = _report(tx, found, environment)
            _require_other(found, actor, "signs")
            given = tx.find(
                SignOff, model=found.model, number=found.number, environment=report.environment, actor=actor
            )
            if given:
                return given[0]
            event = _tell(tx, "version.signed", found, now, report, actor=actor, why=why)
            signed = SignOff(
                id=tx.mint(SignOff),
                project=found.project,
                environment=report.environment,
                model=found.model,
                number=found.number,
                artifact=found.artifact,
                actor=actor,
                why=why,
                time=now,
                event=event,
            )
            tx.add(signed)
        return signed

    def waive(
        self, version: str, environment: str, check: str, *, span: timedelta, why: str, actor: str
    ) -> Waiver:
        """Say that a check that a version failed is no obstacle for a while; its gate looks at it once more.

        Raises NotFound for a check that it did not fail, InvalidValue without a reason or for a span that is
        none, Conflict for a version that is not before its gate any more, and NotAllowed for what cannot be
        waived and for who wrote the commit that made it.
        """
        _require_reason("A waiver", why)
        if not timedelta() < span <= LONGEST:
            raise InvalidValue(
                what="A waiver ends",
                expected=f"more than nothing, {LONGEST.days} days at most",
                found=str(span),
            )
        now = self._clock.now()
        with self._store.begin() as tx:
            found = tx.get(Version, version)
            report = _report(tx, found, environment)
            _require_other(found, actor, "waives a check of")
            _require_waivable(report, check)
            key = f"{report.environment}:{version}"
            placed = tx.find(Placement, id=key)
            if placed and placed[0].role not in {"candidate", "rejected"}:
                raise Conflict(
                    what=f"{version} is not before the gate of {report.environment}: {placed[0].role}."
                )
            until = now + span
            told = {"check": check, "until": until.isoformat()}
            event = _tell(tx, "check.waived", found, now, report, actor=actor, why=why, **told)
            waiver = Waiver(
                id=tx.mint(Waiver),
                project=found.project,
                environment=report.environment,
                model=found.model,
                number=found.number,
                artifact=found.artifact,
                check=check,
                actor=actor,
                why=why,
                since=now,
                until=until,
                event=event,
            )
            tx.add(waiver)
            again = f"{check} is waived by {actor}: {why}"
            self._models.place(
                tx, found, report.environment, "candidate", actor=actor, why=again, cause=event
            )
        return waiver


def with_people(  # noqa: PLR0917 - all that is known of a gate
    reader: Reader,
    gate: Sequence[str],
    version: Version,
    environment: str,
    verdicts: Iterable[Verdict],
    now: datetime,
) -> tuple[Verdict, ...]:
    """The verdicts with those on sign-offs that the gate asks for, and with waivers that count `now`."""
    where: dict[str, Any] = {"model": version.model, "number": version.number, "environment": environment}
    signed = [each for each in reader.find(SignOff, **where) if each.artifact == version.artifact]
    waivers = [each for each in reader.find(Waiver, **where) if each.artifact == version.artifact]
    asked = (_signed(text, version, environment, signed) for text in gate if is_sign_off(text))
    return (*(_waived(verdict, waivers, now) for verdict in verdicts), *asked)


def unsigned(reader: Reader, model: str, environment: str) -> set[int]:
    """The versions that wait for people: none has signed them, waived a check of them or proposed them since
    their gate looked at them.
    """
    reports = reader.find(GateReport, model=model, environment=environment, outcome="waiting")
    if not reports:
        return set()
    words: list[SignOff | Placement] = [
        *reader.find(SignOff, model=model, environment=environment),
        *reader.find(Placement, model=model, environment=environment),
    ]
    spoken: dict[int, int] = {}
    for word in words:
        spoken[word.number] = max(word.event, spoken.get(word.number, 0))
    return {report.number for report in reports if spoken.get(report.number, 0) < report.event}


def _signed(text: str, version: Version, environment: str, signed: Sequence[SignOff]) -> Verdict:
    people = dict.fromkeys(each.actor for each in signed)
    wanted, there = signatures(text), len(people)
    evidence = {"sign_offs": msgspec.to_builtins(tuple(signed))}
    if there >= wanted:
        return Verdict(check=text, passed=True, why=f"signed by {', '.join(people)}", evidence=evidence)
    why = (
        f"{there} of {wanted} people have signed it; "
        f"penstock models sign {version.id} --in {environment} --why REASON"
    )
    return Verdict(check=text, passed=False, why=why, evidence=evidence)


def _waived(verdict: Verdict, waivers: Iterable[Waiver], now: datetime) -> Verdict:
    if verdict.passed:
        return verdict
    for waiver in waivers:
        if waiver.check == verdict.check and now < waiver.until:
            told = f"by {waiver.actor} until {waiver.until:%Y-%m-%d %H:%M} UTC: {waiver.why}"
            return msgspec.structs.replace(verdict, waived=told)
    return verdict


def _report(reader: Reader, version: Version, environment: str) -> GateReport:
    """The newest word of a gate on a version, of the one in `environment` where that is named."""
    where = {"environment": environment} if environment else {}
    found = reader.find(
        GateReport, model=version.model, number=version.number, order="-event", limit=1, **where
    )
    if not found:
        raise NotFound(
            what=f"No gate{f' of {environment}' if environment else ''} has judged {version.id} yet.",
            fix=f"penstock models show {version.id} tells where it stands.",
        )
    return found[0]


def _require_waivable(report: GateReport, check: str) -> None:
    failed = [verdict.check for verdict in report.verdicts if not verdict.passed]
    if check not in failed:
        raise NotFound(
            what=f"The version did not fail {check!r} in {report.environment}",
            expected=f"one of {', '.join(failed)}" if failed else "a check that it failed",
            found=check,
            fix=meant(check, failed),
        )
    if check in UNWAIVABLE or is_sign_off(check):
        raise NotAllowed(what=f"{check} cannot be waived.", fix="It is penstock.toml that asks for it.")


def _require_other(version: Version, actor: str, does: str) -> None:
    author = str(version.governance.get("author") or "")
    if author and same_person(actor, author):
        raise NotAllowed(
            what=f"{actor} wrote the commit that made {version.id}, and nobody {does} their own work.",
            fix="Someone else does: --as NAME.",
        )


def _require_reason(what: str, why: str) -> None:
    if not why.strip():
        raise InvalidValue(what=f"{what} needs a reason", fix="Say why with --why.")


def _tell(
    tx: Transaction, kind: str, version: Version, now: datetime, report: GateReport, **told: Any
) -> int:
    [event] = tx.publish(
        Event(
            kind=kind,
            subject=f"version:{version.id}",
            time=now,
            actor=told.pop("actor"),
            project=version.project,
            evidence={"environment": report.environment, "artifact": version.artifact, **told},
            cause=report.event,
        )
    )
    return event
