"""One build, stage by stage: checkout, files, environment, tests, package, graph, automatic tests."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from penstock.adapters.builders.automatic import Plan, read_tests
from penstock.adapters.builders.environments import Environments
from penstock.adapters.builders.outputs.archives import settle_wheel
from penstock.adapters.builders.outputs.make import Outputs, Stage
from penstock.adapters.builders.packages import Packages
from penstock.adapters.builders.processes import Processes
from penstock.adapters.builders.project_files import CONFIG, LOCK, PROJECT, check_files
from penstock.adapters.builders.report import failures, read_report, verdict
from penstock.adapters.builders.surroundings import plain
from penstock.builds.decide import dangling
from penstock.builds.types import Build, Built, TestCase
from penstock.core.errors import InvalidProject
from penstock.lineage.ports import Blobs
from penstock.pipelines.survey import Survey
from penstock.pipelines.types import Graph
from penstock.revisions.config import ProjectConfig
from penstock.revisions.ports import Forge

TIMEOUT = 1800.0
"""Seconds after which a project's tests, or the drawing of its pipelines, are given up."""


@dataclass(frozen=True)
class Tools:
    """What every build works with."""

    forge: Forge
    blobs: Blobs
    processes: Processes
    packages: Packages
    environments: Environments
    outputs: Outputs


class Attempt:
    """Works through one build in an empty folder."""

    def __init__(
        self,
        tools: Tools,
        build: Build,
        *,
        data_root: str,
        folder: Path,
        log: Path,
        tell: Callable[[str], None],
    ) -> None:
        """`tell` hears what is being done, in a few words."""
        self._tools = tools
        self._build = build
        self._data_root = data_root
        self._folder = folder
        self._log = log
        self._tell = tell
        self._tests: list[TestCase] = []

    def work(self) -> Built:
        """Go on until the end or the first stage that is red. Raises Stopped when the system stops."""
        built = Built(build=self._build.id, token=self._build.token)
        try:
            checkout = self._checkout("tested")
            config = self._files(checkout)
            environment = self._tools.environments.make(checkout, self._log, self._tell)
            python = self._tools.environments.python(environment)
            self._project(python, checkout)
            clean = self._checkout("packed")  # tests may have left files in theirs
            wheel = self._package(clean)
            graphs = self._graphs(python, clean, config)
            built = msgspec.structs.replace(
                built,
                wheel=self._tools.blobs.put_file(str(wheel)),
                lock=self._tools.blobs.put_file(str(clean / LOCK)),
                config=self._tools.blobs.put_file(str(clean / CONFIG)),
                environment=environment,
                graphs=graphs,
            )
            built = self._outputs(built, config, clean, wheel)
            return msgspec.structs.replace(built, tests=tuple(self._tests))
        except InvalidProject as error:
            return msgspec.structs.replace(built, tests=tuple(self._tests), error=str(error))

    def _checkout(self, name: str) -> Path:
        self._tell("checkout")
        folder = self._folder / name
        folder.mkdir()
        self._tools.forge.checkout(self._build.project, self._build.commit, str(folder))
        if not (folder / self._build.folder).is_dir():
            raise InvalidProject(what=f"The commit has no folder {self._build.folder}.")
        return folder / self._build.folder

    def _files(self, checkout: Path) -> ProjectConfig:
        self._tell("files")
        try:
            config = check_files(checkout, self._build.project)
        except InvalidProject as error:
            self._case("files", f"{PROJECT}, {CONFIG}, {LOCK}", str(error))
            raise
        self._case("files", f"{PROJECT}, {CONFIG}, {LOCK}")
        return config

    def _project(self, python: Path, checkout: Path) -> None:
        """The project's own tests, in its own environment."""
        self._tell("test: the project's tests")
        report = self._folder / "report.xml"
        command = [str(python), "-m", "pytest", "-p", "no:cacheprovider", "-o", "junit_family=xunit1"]
        places = [f"--junitxml={report}", f"--basetemp={self._folder / 'tests'}", f"--rootdir={checkout}"]
        status = self._run([*command, *places], checkout)
        tests = read_report(report)
        self._tests += tests
        if error := verdict(status, tests):
            raise InvalidProject(what=error)

    def _graphs(self, python: Path, checkout: Path, config: ProjectConfig) -> tuple[Graph, ...]:
        """The graphs of the project's pipelines, and what the automatic tests find of them.

        Both are made by one process of the project's environment, where its code is imported.
        """
        self._tell("graph and automatic tests")
        tested, drawn, report = (self._folder / name for name in ("plan.json", "survey.json", "tests.jsonl"))
        root = checkout / config.tests.sample if config.tests.sample else Path(self._data_root)
        plan = Plan(folder=str(checkout), root=str(root), as_of=self._build.created, config=config.tests)
        tested.write_bytes(msgspec.json.encode(plan))
        command = [
            str(python),
            "-m",
            "penstock.adapters.builders.automatic",
            *map(str, (tested, drawn, report)),
        ]
        status = self._run(command, checkout, OMP_NUM_THREADS="1")  # a sample is too small to share out
        graphs = self._drawn(drawn, config, status)
        tests = read_tests(report)
        self._tests += tests
        error = failures(tests, "automatic tests")
        if error or status != 0:
            broken = f"The automatic tests broke off with status {status}. See the build's log."
            raise InvalidProject(what=error or broken)
        return graphs

    def _drawn(self, file: Path, config: ProjectConfig, status: int) -> tuple[Graph, ...]:
        if not file.exists():
            raise InvalidProject(
                what=f"Drawing the pipelines ended with status {status}.", fix="See the build's log."
            )
        survey = msgspec.json.decode(file.read_bytes(), type=Survey)
        for drawing in survey.drawings:
            self._case("graph", f"{drawing.target} can be drawn", drawing.error)
        graphs = tuple(drawing.graph for drawing in survey.drawings if drawing.graph)
        errors = [survey.error, *(drawing.error for drawing in survey.drawings)]
        sentences = [error for error in errors if error]
        if not sentences:
            sentences = dangling(config, graphs) if graphs else ["The project has no pipeline."]
            self._case("graph", f"{CONFIG} names what there is", " ".join(sentences))
        if sentences:
            raise InvalidProject(what=" ".join(sentences))
        return graphs

    def _package(self, checkout: Path) -> Path:
        self._tell("package")
        place = self._folder / "wheels"
        try:
            self._tools.packages.run(
                ["build", "--wheel", "--python", sys.executable, "--out-dir", str(place)],
                folder=checkout,
                log=self._log,
                failed="The wheel cannot be built",
            )
        except InvalidProject as error:
            self._case("package", "the wheel can be built", str(error))
            raise
        [wheel] = place.glob("*.whl")
        settle_wheel(wheel)
        self._case("package", "the wheel can be built")
        return wheel

    def _outputs(self, built: Built, config: ProjectConfig, checkout: Path, wheel: Path) -> Built:
        scratch = self._folder / "outputs"
        scratch.mkdir()
        stage = Stage(self._build, built, config, checkout, wheel, scratch, self._log, self._tell, self._skip)
        name = "what can be had of the release can be made"
        try:
            built = self._tools.outputs.make(stage)
        except InvalidProject as error:
            self._case("package", name, str(error))
            raise
        self._case("package", name)
        return built

    def _skip(self, name: str, why: str) -> None:
        self._tests.append(TestCase(name=name, suite="package", outcome="skipped", message=why))

    def _run(self, command: list[str], folder: Path, **also: str) -> int:
        variables = plain() | also
        return self._tools.processes.run(
            command, folder=folder, variables=variables, log=self._log, timeout=TIMEOUT
        )

    def _case(self, suite: str, name: str, error: str = "") -> None:
        self._tests.append(
            TestCase(name=name, suite=suite, outcome="failed" if error else "passed", message=error)
        )
