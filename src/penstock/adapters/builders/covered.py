"""What the tests of a project run of its modules, and whether that is enough."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import groupby
from pathlib import Path

import msgspec

from penstock.adapters.isolation.written import open_written
from penstock.builds.types import ModuleCoverage, TestCase
from penstock.core.errors import InvalidProject


class _Summary(msgspec.Struct):
    num_statements: int
    covered_lines: int


class _File(msgspec.Struct):
    summary: _Summary
    missing_lines: list[int]


class _Report(msgspec.Struct):
    files: dict[str, _File]


def covered(file: Path) -> tuple[ModuleCoverage, ...]:
    """The modules of which coverage.py has told in a file, those that hold a line of code."""
    try:
        with open_written(file) as told:
            report = msgspec.json.decode(told.read(), type=_Report)
    except (FileNotFoundError, InvalidProject, msgspec.DecodeError):
        return ()
    return tuple(
        ModuleCoverage(
            file=name,
            percent=100 * found.summary.covered_lines // found.summary.num_statements,
            lines=found.summary.num_statements,
            missing=spans(found.missing_lines),
        )
        for name, found in sorted(report.files.items())
        if found.summary.num_statements
    )


def with_features(modules: Sequence[ModuleCoverage], holding: Collection[str]) -> tuple[ModuleCoverage, ...]:
    """The same, with it said of which by their names are `holding` feature views."""
    return tuple(
        msgspec.structs.replace(module, features=_module(module.file) in holding) for module in modules
    )


def judged(modules: Sequence[ModuleCoverage], least: int) -> Iterator[TestCase]:
    """A test for each module with feature views: that the tests run `least` percent of its lines."""
    for module in modules:
        if module.features:
            short = (
                f"The tests run {module.percent} % of {module.file}, "
                f"and [tests] coverage asks for {least} %: no test runs line {module.missing}."
            )
            yield TestCase(
                name=f"{least} % of {module.file}",
                suite="coverage",
                outcome="passed" if module.percent >= least else "failed",
                message="" if module.percent >= least else short,
            )


def spans(lines: Sequence[int]) -> str:
    """Numbers of lines as people write them: `3, 7-9`."""
    runs = [[line for _, line in run] for _, run in groupby(enumerate(lines), lambda pair: pair[1] - pair[0])]
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def _module(file: str) -> str:
    return file.removeprefix("src/").removesuffix(".py").replace("/", ".").removesuffix(".__init__")
