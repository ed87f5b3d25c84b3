"""From pytest's report to the tests of a build, and to one sentence about them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree as ET

from penstock.builds.types import TestCase

NAMED = 3
"""Failed tests that a sentence names."""
NO_TESTS = 5
"""The exit status of pytest when it found no test."""
_MESSAGE = 4000


def read_report(file: Path) -> tuple[TestCase, ...]:
    """The tests of a JUnit XML report of pytest, written with `junit_family=xunit1`; none without a file."""
    if not file.exists():
        return ()
    root = ET.parse(file).getroot()  # noqa: S314 - pytest wrote it, and expat refuses endless entities
    return tuple(_case(case) for case in root.iter("testcase"))


def verdict(status: int, tests: Sequence[TestCase]) -> str:
    """One sentence about what is wrong, empty when `status`, the exit status of pytest, is green."""
    if sentence := failures(tests, "tests"):
        return sentence
    if status == NO_TESTS or (status == 0 and not tests):
        return "The project has no tests: pytest found none. Write one in tests/test_pipeline.py."
    if status < 0:
        return f"The tests were ended by signal {-status}. See the build's log."
    return (
        f"pytest ended with status {status} before it ran the tests. See the build's log." if status else ""
    )


def failures(tests: Sequence[TestCase], word: str) -> str:
    """One sentence about the tests that failed, empty when none did; `word` says what kind of tests."""
    failed = [test.name for test in tests if test.outcome in {"failed", "error"}]
    if not failed:
        return ""
    more = f" and {len(failed) - NAMED} more" if len(failed) > NAMED else ""
    return f"{len(failed)} of {len(tests)} {word} failed: {', '.join(failed[:NAMED])}{more}."


def _case(case: ET.Element) -> TestCase:
    outcome, message = _outcome(case)
    return TestCase(
        name=_name(case),
        suite="project",
        outcome=outcome,
        seconds=float(case.get("time") or 0),
        message=message[:_MESSAGE],
    )


def _outcome(case: ET.Element) -> tuple[Literal["passed", "failed", "skipped", "error"], str]:
    outcomes: tuple[tuple[str, Literal["failed", "skipped", "error"]], ...] = (
        ("failure", "failed"),
        ("error", "error"),
        ("skipped", "skipped"),
    )
    for tag, outcome in outcomes:
        found = case.find(tag)
        if found is not None:
            return outcome, "\n".join(part for part in (found.get("message"), found.text) if part)
    return "passed", ""


def _name(case: ET.Element) -> str:
    """The test as pytest itself names it: `tests/test_x.py::TestClass::test_y`, or the file that failed."""
    file, classes, name = case.get("file", ""), case.get("classname", ""), case.get("name", "")
    module = file.removesuffix(".py").replace("/", ".")
    if name == module:
        return file
    inside = classes.removeprefix(module).strip(".").split(".")
    return "::".join(part for part in (file, *inside, name) if part)
