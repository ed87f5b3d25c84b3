"""The parts of a build, which are done side by side: what each is doing, and the tests that it tells of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from penstock.adapters.builders.output import Output
from penstock.adapters.builders.processes import Stopped
from penstock.adapters.builders.report import Told
from penstock.builds.types import TestCase
from penstock.core.errors import InvalidProject

_PIECE = 256 * 1024


class Part:
    """A part of a build. One thread works at it; others may ask meanwhile."""

    def __init__(self, log: Path) -> None:
        """What its programs print is added to `log`."""
        self.log = log
        self.doing = ""
        self._cases: list[TestCase] = []
        self._told: Told | None = None

    def tests(self) -> tuple[TestCase, ...]:
        """The tests so far, with the one that runs."""
        told, ended = self._told, tuple(self._cases)
        return ended + (told.tests() if told else ())

    def add(self, tests: Iterable[TestCase]) -> None:
        """Tell of tests that have ended."""
        self._cases += tests

    def case(self, suite: str, name: str, error: str = "") -> None:
        """Tell of a test of our own, red if there is an error."""
        self.add([TestCase(name=name, suite=suite, outcome="failed" if error else "passed", message=error)])

    def skip(self, name: str, why: str) -> None:
        """Tell of an output that is not made."""
        self.add([TestCase(name=name, suite="package", outcome="skipped", message=why)])

    def hand_over(self, log: Path) -> None:
        """Add what was printed to the log of the whole build."""
        if self.log.exists():
            with self.log.open("rb") as printed, Output(log) as whole:
                while piece := printed.read(_PIECE):
                    whole.write(piece)

    @contextmanager
    def proving(self, suite: str, name: str) -> Iterator[None]:
        """Tell of a test that holds unless InvalidProject is raised."""
        try:
            yield
        except InvalidProject as error:
            self.case(suite, name, str(error))
            raise
        self.case(suite, name)

    @contextmanager
    def telling(self, told: Told) -> Iterator[None]:
        """Something runs that tells of its tests."""
        self._told = told
        try:
            yield
        finally:
            self._told = None
            self.add(told.ended())


def side_by_side(*works: Callable[[], Any], give_up: Callable[[], None]) -> list[Any]:
    """Do everything at once, each to its end: a report is whole also where something is red.

    Gives what each gave. Raises the first InvalidProject in the order given; what breaks the build off raises
    at once, after `give_up` has made the others end.
    """
    with ThreadPoolExecutor(max_workers=len(works), thread_name_prefix="build-part") as pool:
        going = [pool.submit(_or_red, work) for work in works]
        wait(going, return_when=FIRST_EXCEPTION)
        broken = [error for each in going if each.done() and (error := each.exception())]
        if broken:
            give_up()
    for error in sorted(broken, key=lambda error: isinstance(error, Stopped)):
        raise error
    ended = [each.result() for each in going]
    for red in ended:
        if isinstance(red, InvalidProject):
            raise red
    return ended


def _or_red(work: Callable[[], Any]) -> Any:
    try:
        return work()
    except InvalidProject as error:
        return error
