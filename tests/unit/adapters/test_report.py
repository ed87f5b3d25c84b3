"""What pytest tells becomes the tests of a build and one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.adapters.builders.report import Told, verdict
from penstock.builds.types import TestCase


def told(name: str, outcome: str) -> bytes:
    return f'{{"name":"{name}","suite":"project","outcome":"{outcome}"}}\n'.encode()


def test_tests_are_read_while_they_are_written(tmp_path: Path) -> None:
    file = tmp_path / "told.jsonl"
    reader = Told(file)
    assert reader.tests() == ()
    with file.open("wb", buffering=0) as writer:
        writer.write(told("a", "running"))
        assert [(t.name, t.outcome) for t in reader.tests()] == [("a", "running")]
        writer.write(told("a", "passed") + told("b", "running")[:9])
        assert [(t.name, t.outcome) for t in reader.tests()] == [("a", "passed")]
        writer.write(told("b", "running")[9:])
    assert [(t.name, t.outcome) for t in reader.ended()] == [("a", "passed"), ("b", "error")]
    assert verdict(-9, reader.ended()) == "The tests were ended by signal 9 in b. See the build's log."


def test_many_failures_are_counted() -> None:
    tests = [TestCase(name=f"t{n}", suite="project", outcome="failed") for n in range(5)]
    assert verdict(1, tests) == "5 of 5 tests failed: t0, t1, t2 and 2 more."


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (5, "pytest found none"),
        (0, "pytest found none"),
        (-9, "ended by signal 9"),
        (4, "pytest ended with status 4 before it ran the tests"),
    ],
)
def test_a_strange_end_is_red(status: int, said: str) -> None:
    assert said in verdict(status, ())


def test_passed_tests_are_not_enough_when_pytest_says_otherwise() -> None:
    passed = [TestCase(name="t", suite="project", outcome="passed")]
    assert verdict(0, passed) == ""
    assert verdict(3, passed) != ""
