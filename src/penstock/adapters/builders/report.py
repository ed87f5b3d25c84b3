"""From what tests tell while they run to the tests of a build, and to one sentence about them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from penstock.adapters.isolation.written import open_written
from penstock.builds.types import TestCase
from penstock.core.errors import InvalidProject

NAMED = 3
"""Failed tests that a sentence names."""
NO_TESTS = 5
"""The exit status of pytest when it found no test."""
UNENDED = "The test did not end."


class Told:
    """The tests that a file tells of, a line of JSON for each that begins or ends; the last line counts."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._read = 0
        self._tests: dict[str, TestCase] = {}

    def tests(self) -> tuple[TestCase, ...]:
        """Those so far, in the order in which they began. May be asked while the file is written."""
        with suppress(
            FileNotFoundError, InvalidProject, msgspec.DecodeError
        ):  # the project's code may write it
            with open_written(self._file) as file:
                file.seek(self._read)
                lines, _, _half = file.read().rpartition(b"\n")
            self._read += len(lines) + bool(lines)
            for line in lines.splitlines():
                test = msgspec.json.decode(line, type=TestCase)
                self._tests[test.name] = test
        return tuple(self._tests.values())

    def ended(self) -> tuple[TestCase, ...]:
        """All of them, now that nobody tells any more: one that still ran did not end."""
        return tuple(
            msgspec.structs.replace(test, outcome="error", message=UNENDED)
            if test.outcome == "running"
            else test
            for test in self.tests()
        )


def verdict(status: int, tests: Sequence[TestCase]) -> str:
    """One sentence about what is wrong, empty when `status`, the exit status of pytest, is green."""
    if status < 0:
        within = "".join(f" in {test.name}" for test in tests if test.message == UNENDED)
        return f"The tests were ended by signal {-status}{within}. See the build's log."
    if sentence := failures(tests, "tests"):
        return sentence
    if status == NO_TESTS or (status == 0 and not tests):
        return "The project has no tests: pytest found none. Write one in tests/test_pipeline.py."
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
