"""pytest's report becomes the tests of a build and one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.adapters.builders.report import read_report, verdict
from penstock.builds.types import TestCase

REPORT = """\
<testsuites><testsuite name="pytest">
<testcase file="tests/test_a.py" classname="tests.test_a" name="test_plain[a-1]" time="0.5"/>
<testcase file="tests/test_a.py" classname="tests.test_a.TestIn.TestDeep" name="test_deep" time="0.1">
  <failure message="assert 1 == 2">where it was</failure></testcase>
<testcase file="tests/test_a.py" classname="tests.test_a" name="test_later">
  <skipped message="why"/></testcase>
<testcase file="tests/test_b.py" classname="" name="tests.test_b"><error message="no module"/></testcase>
</testsuite></testsuites>
"""


def test_outcomes_and_names_are_read(tmp_path: Path) -> None:
    file = tmp_path / "report.xml"
    file.write_text(REPORT)
    tests = read_report(file)
    assert [(t.name, t.outcome) for t in tests] == [
        ("tests/test_a.py::test_plain[a-1]", "passed"),
        ("tests/test_a.py::TestIn::TestDeep::test_deep", "failed"),
        ("tests/test_a.py::test_later", "skipped"),
        ("tests/test_b.py", "error"),
    ]
    assert (tests[0].seconds, tests[1].message) == (0.5, "assert 1 == 2\nwhere it was")
    assert verdict(1, tests) == (
        "2 of 4 tests failed: tests/test_a.py::TestIn::TestDeep::test_deep, tests/test_b.py."
    )


def test_no_report_holds_no_tests(tmp_path: Path) -> None:
    assert read_report(tmp_path / "none.xml") == ()


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
