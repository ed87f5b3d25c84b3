"""The pytest plugin of builds that measures which lines of the project's packages the tests run.

`pytest -p penstock.adapters.builders.measuring --covered FILE` writes what coverage.py reports, as JSON.
Nothing else is traced, and from Python 3.12 on `sys.monitoring` tells of lines: cheap once they ran.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

import coverage
import pytest
from coverage.exceptions import CoverageException

from penstock.pipelines.loading import package_folders

_MEASURED = pytest.StashKey[coverage.Coverage]()
_QUIET = (
    *("no-data-collected", "module-not-imported", "module-not-measured", "module-not-python"),
    *("already-imported", "trace-changed", "couldnt-parse"),
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Ours is not for people, who have the report."""
    parser.addoption("--covered", help="What the tests run of the project's packages is told in this file.")


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Begin before any module of the project is imported; pytest-cov would take the measurement away."""
    known = early_config.known_args_namespace
    packages = package_folders(Path.cwd())
    if known.covered and packages:
        known.no_cov = True
        measured = _measure(Path(known.covered), packages)
        early_config.stash[_MEASURED] = measured
        measured.start()


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Write what was measured; in the process that collects the results of others, all of it."""
    measured = config.stash.get(_MEASURED, None)
    if measured:
        measured.stop()
        measured.save()
        if not hasattr(config, "workerinput"):  # of pytest-xdist
            file = Path(config.option.covered)
            whole = _measure(file, package_folders(config.rootpath))
            with suppress(CoverageException):  # no test ran anything
                whole.combine()
                whole.json_report(outfile=str(file))


def _measure(file: Path, packages: list[Path]) -> coverage.Coverage:
    if sys.version_info >= (3, 12):
        os.environ.setdefault("COVERAGE_CORE", "sysmon")
    measured = coverage.Coverage(
        data_file=f"{file}.data",
        data_suffix=True,
        config_file=False,
        source=[str(package) for package in packages],
        messages=False,
    )
    measured.set_option("run:disable_warnings", list(_QUIET))
    return measured
