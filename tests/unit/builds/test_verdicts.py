"""From questions that raise to tests of a report, with waivers that stay visible."""

from __future__ import annotations

from penstock.builds.automatic.verdicts import NotJudged, Verdicts
from penstock.revisions.config import Waiver


def fails() -> None:
    raise AssertionError("expected 1, found 2")


def test_a_question_passes_fails_or_is_not_judged() -> None:
    def cannot() -> None:
        raise NotJudged("no rows")

    verdicts = Verdicts(())
    found = [
        verdicts.ask("finite", "view", question) for question in (lambda: None, fails, cannot, lambda: 1 / 0)
    ]
    assert [(test.name, test.outcome, test.message) for test in found] == [
        ("finite[view]", "passed", ""),
        ("finite[view]", "failed", "expected 1, found 2"),
        ("finite[view]", "skipped", "no rows"),
        ("finite[view]", "failed", "ZeroDivisionError: division by zero"),
    ]


def test_a_waived_failure_keeps_its_reason_and_its_finding() -> None:
    verdicts = Verdicts((Waiver(test="finite", of="view", reason="Known."),))
    waived, other = (verdicts.ask("finite", subject, fails) for subject in ("view", "other"))
    assert (waived.outcome, waived.message) == ("waived", "Waived: Known. Found: expected 1, found 2")
    assert other.outcome == "failed"
    assert verdicts.ask("finite", "view", int).message == "It passes, so its waiver can go: Known."


def test_a_waiver_of_nothing_is_found_out() -> None:
    verdicts = Verdicts((Waiver(test="finite", of="veiw", reason="x"), Waiver(test="unused", reason="x")))
    verdicts.ask("finite", "view", int)
    [dangling] = verdicts.dangling()
    assert (dangling.outcome, dangling.message) == (
        "failed",
        "penstock.toml waives finite of 'veiw', which there is not: expected one of view.",
    )
