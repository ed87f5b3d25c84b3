"""The pytest plugin of builds: tells of each test when it begins and ends, and ends one that takes too long.

`pytest -p penstock.adapters.builders.watching --told FILE --longest SECONDS`
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import msgspec
import pytest

from penstock.builds.types import TestCase

MESSAGE = 4000
"""Characters of a failure that a report holds."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Ours are not for people, who have the report."""
    parser.addoption("--told", help="A line of JSON for each test is added to this file.")
    parser.addoption("--longest", type=float, default=0.0, help="Seconds after which a test is given up.")


def pytest_configure(config: pytest.Config) -> None:
    """Watch the process that collects the results, and time those that run the tests."""
    if config.option.told and not hasattr(config, "workerinput"):  # of pytest-xdist
        config.pluginmanager.register(Watch(Path(config.option.told)))
    if config.option.longest:
        config.pluginmanager.register(Limit(config.option.longest))


class Watch:
    """Writes a `TestCase` when a test begins, and another of the same name when it has ended."""

    def __init__(self, file: Path) -> None:
        self._file = file.open("ab", buffering=0)
        self._phases: dict[str, list[pytest.TestReport]] = {}

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """A test begins."""
        self._phases[nodeid] = []
        self._tell(TestCase(name=nodeid, suite="project", outcome="running"))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Its setup, the test itself or its teardown has ended."""
        self._phases.setdefault(report.nodeid, []).append(report)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """All of it has ended."""
        phases = self._phases.pop(nodeid, [])
        bad = next((phase for phase in phases if phase.failed), None)
        skipped = next((phase for phase in phases if phase.skipped), None)
        test = TestCase(
            name=nodeid, suite="project", outcome="passed", seconds=sum(phase.duration for phase in phases)
        )
        if bad:
            outcome = "failed" if bad.when == "call" else "error"
            test = msgspec.structs.replace(test, outcome=outcome, message=bad.longreprtext[-MESSAGE:])
        elif skipped:
            test = msgspec.structs.replace(test, outcome="skipped", message=_why(skipped))
        self._tell(test)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A file could not be imported, or could be."""
        if report.failed:
            message = report.longreprtext[-MESSAGE:]
            self._tell(TestCase(name=report.nodeid, suite="project", outcome="error", message=message))

    def _tell(self, test: TestCase) -> None:
        self._file.write(msgspec.json.encode(test) + b"\n")


class Limit:
    """Fails a test that takes longer than some seconds, unless it is inside of code that is not Python."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self) -> Iterator[None]:
        """Its fixtures take part."""
        with self._limited():
            return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self) -> Iterator[None]:
        """The test itself."""
        with self._limited():
            return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self) -> Iterator[None]:
        """What its fixtures do afterwards."""
        with self._limited():
            return (yield)

    @contextmanager
    def _limited(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGALRM, self._give_up)
        signal.setitimer(signal.ITIMER_REAL, self._seconds)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)

    def _give_up(self, _number: int, _frame: FrameType | None) -> None:
        pytest.fail(f"The test did not end within {self._seconds:g} seconds.")


def _why(report: pytest.TestReport) -> str:
    if hasattr(report, "wasxfail"):
        return f"expected to fail: {report.wasxfail}".rstrip(": ")
    return str(report.longrepr[2]) if isinstance(report.longrepr, tuple) else report.longreprtext
