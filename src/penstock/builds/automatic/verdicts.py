"""From a question that raises to a test of the build's report, with what `penstock.toml` waives."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Literal

from penstock.builds.types import TestCase
from penstock.core.errors import PenstockError
from penstock.revisions.config import Waiver

SUITE = "automatic"


class NotJudged(Exception):
    """The question cannot be answered on this sample; the text says why."""


class Verdicts:
    """Asks questions and names the answers `test[subject]`, as pytest would."""

    def __init__(self, waivers: tuple[Waiver, ...]) -> None:
        self._waivers = waivers
        self._subjects: set[tuple[str, str]] = set()

    def asked(self, test: str, subject: str) -> bool:
        """Whether this was asked before."""
        return (test, subject) in self._subjects

    def ask(self, test: str, subject: str, question: Callable[..., object], *given: Any) -> TestCase:
        """Call `question(*given)`: it passes unless it raises, and whatever it raises is the finding."""
        self._subjects.add((test, subject))
        began = time.perf_counter()
        outcome: Literal["passed", "failed", "skipped", "waived"] = "failed"
        try:
            question(*given)
        except NotJudged as reason:
            outcome, sentence = "skipped", str(reason)
        except (AssertionError, PenstockError) as finding:
            sentence = str(finding)
        except Exception as error:  # noqa: BLE001 - the project's code may raise anything
            sentence = f"{type(error).__name__}: {error}"
        else:
            outcome, sentence = "passed", ""
        waived = next((w for w in self._waivers if w.test == test and w.of in {"", subject}), None)
        if waived and outcome == "failed":
            outcome, sentence = "waived", f"Waived: {waived.reason} Found: {sentence}"
        elif waived and outcome == "passed":
            sentence = f"It passes, so its waiver can go: {waived.reason}"
        seconds = time.perf_counter() - began
        return TestCase(
            name=f"{test}[{subject}]", suite=SUITE, outcome=outcome, seconds=seconds, message=sentence
        )

    def dangling(self) -> list[TestCase]:
        """A failure for each waiver of what was never asked."""
        return [
            TestCase(
                name=f"waivers[{waiver.of}]", suite=SUITE, outcome="failed", message=self._advice(waiver)
            )
            for waiver in self._waivers
            if waiver.of and not self.asked(waiver.test, waiver.of)
        ]

    def _advice(self, waiver: Waiver) -> str:
        there = sorted(subject for test, subject in self._subjects if test == waiver.test)
        return (
            f"penstock.toml waives {waiver.test} of {waiver.of!r}, which there is not: "
            f"expected {'one of ' + ', '.join(there) if there else 'no such waiver'}."
        )
