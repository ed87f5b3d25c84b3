"""One build, stage by stage: checkout, files, environment, tests, package, graph, automatic tests."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from penstock.adapters.builders.automatic import Plan
from penstock.adapters.builders.covered import covered, judged, with_features
from penstock.adapters.builders.environments import Environments
from penstock.adapters.builders.outputs.archives import settle_wheel
from penstock.adapters.builders.outputs.make import Outputs, Stage
from penstock.adapters.builders.packages import Packages
from penstock.adapters.builders.processes import Processes, TookTooLong
from penstock.adapters.builders.project_files import CONFIG, LOCK, PROJECT, check_files
from penstock.adapters.builders.report import UNENDED, Told, failures, verdict
from penstock.adapters.builders.surroundings import plain
from penstock.adapters.isolation.written import written
from penstock.builds.decide import dangling
from penstock.builds.types import Build, Built, ModuleCoverage, TestCase
from penstock.core.durations import duration
from penstock.core.errors import InvalidProject
from penstock.lineage.ports import Blobs
from penstock.pipelines.survey import Survey
from penstock.pipelines.types import Graph
from penstock.revisions.config import ProjectConfig
from penstock.revisions.ports import Forge

TIMEOUT = 1800.0
"""Seconds after which a project's tests, or the drawing of its pipelines, are given up."""
TESTED, PACKED = "tested", "packed"
PRIVATE = ("home", "tmp", "told", "wheels")
"""Folders of a build that its programs may write to; what else lies beside them is ours."""
PREFIX, PYTHON = Path(sys.base_prefix).resolve(), str(Path(sys.executable).resolve())
WATCHING, MEASURING = "penstock.adapters.builders.watching", "penstock.adapters.builders.measuring"


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
        self._told: Told | None = None
        self._junit = ""
        self._covered: tuple[ModuleCoverage, ...] = ()
        folder.chmod(0o755)
        for private in PRIVATE:
            (folder / private).mkdir()

    def tests(self) -> tuple[TestCase, ...]:
        """The tests so far, with the one that runs. May be called from another thread."""
        told, ended = self._told, tuple(self._tests)
        return ended + (told.tests() if told else ())

    def work(self) -> Built:
        """Go on until the end or the first stage that is red.

        Raises Stopped when the system stops, and Unavailable or OSError where the machine, the network
        or the package index fails and not the project.
        """
        built = Built(build=self._build.id, token=self._build.token)
        try:
            checkout = self._checkout(TESTED)
            config = self._files(checkout)
            environment = self._tools.environments.make(
                checkout, self._log, self._tell, tree=self._folder / TESTED
            )
            python = self._tools.environments.python(environment)
            self._project(python, checkout, duration(config.tests.longest).total_seconds())
            clean = self._checkout(PACKED)  # tests may have left files in theirs
            lock, settings = (self._tools.blobs.put_file(str(clean / name)) for name in (LOCK, CONFIG))
            wheel = self._package(clean)
            graphs = self._graphs(python, clean, config)
            built = msgspec.structs.replace(
                built,
                wheel=self._tools.blobs.put_file(str(wheel)),
                lock=lock,
                config=settings,
                environment=environment,
                graphs=graphs,
            )
            built = self._outputs(built, config, clean, wheel)
            return self._told_in(built)
        except InvalidProject as error:
            return self._told_in(built, str(error))

    def _told_in(self, built: Built, error: str = "") -> Built:
        return msgspec.structs.replace(
            built, tests=tuple(self._tests), junit=self._junit, coverage=self._covered, error=error
        )

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
            config = check_files(checkout, self._build.project, self._folder / TESTED)
        except InvalidProject as error:
            self._case("files", f"{PROJECT}, {CONFIG}, {LOCK}", str(error))
            raise
        self._case("files", f"{PROJECT}, {CONFIG}, {LOCK}")
        return config

    def _project(self, python: Path, checkout: Path, longest: float) -> None:
        """The project's own tests, in its own environment."""
        self._tell("test: the project's tests")
        report, told = self._folder / "told" / "report.xml", self._folder / "told" / "told.jsonl"
        command = [str(python), "-m", "pytest", "-p", "no:cacheprovider", "-p", WATCHING, "-p", MEASURING]
        measured = self._folder / "told" / "covered.json"
        asked = [f"--told={told}", f"--longest={longest}", f"--junitxml={report}", f"--covered={measured}"]
        places = [f"--basetemp={self._folder / 'tmp' / 'tests'}", f"--rootdir={checkout}"]
        try:
            with self._telling(Told(told)):
                status = self._run([*command, *asked, *places], checkout)
        except InvalidProject as slow:
            within = "".join(f" {test.name} had begun." for test in self._tests if test.message == UNENDED)
            raise InvalidProject(what=f"The tests take too long: {slow.what}{within}") from slow
        self._covered = covered(measured)
        if report.exists():
            self._junit = self._tools.blobs.put_file(str(written(report)))
        if error := verdict(status, [test for test in self._tests if test.suite == "project"]):
            raise InvalidProject(what=error)

    @contextmanager
    def _telling(self, told: Told) -> Iterator[None]:
        """Something runs that tells of its tests."""
        self._told = told
        try:
            yield
        finally:
            self._told = None
            self._tests += told.ended()

    def _graphs(self, python: Path, checkout: Path, config: ProjectConfig) -> tuple[Graph, ...]:
        """The graphs of the project's pipelines, and what the automatic tests find of them.

        Both are made by one process of the project's environment, where its code is imported.
        """
        self._tell("graph and automatic tests")
        tested, place = self._folder / "plan.json", self._folder / "told"
        drawn, report = place / "survey.json", place / "tests.jsonl"
        root = checkout / config.tests.sample if config.tests.sample else Path(self._data_root)
        plan = Plan(folder=str(checkout), root=str(root), as_of=self._build.created, config=config.tests)
        tested.write_bytes(msgspec.json.encode(plan))
        command = [
            str(python),
            "-m",
            "penstock.adapters.builders.automatic",
            *map(str, (tested, drawn, report)),
        ]
        told = Told(report)
        with self._telling(told):
            status = self._run(command, checkout, OMP_NUM_THREADS="1")  # a sample is too small to share out
            graphs = self._drawn(drawn, config, status)
        error = failures(told.tests(), "automatic tests")
        if error or status != 0:
            broken = f"The automatic tests broke off with status {status}. See the build's log."
            raise InvalidProject(what=error or broken)
        return graphs

    def _drawn(self, file: Path, config: ProjectConfig, status: int) -> tuple[Graph, ...]:
        if not file.exists():
            raise InvalidProject(
                what=f"Drawing the pipelines ended with status {status}.", fix="See the build's log."
            )
        survey = msgspec.json.decode(written(file).read_bytes(), type=Survey)
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
        self._covered = with_features(self._covered, survey.features)
        if config.tests.coverage:
            asked = list(judged(self._covered, config.tests.coverage))
            self._tests += asked
            if short := " ".join(test.message for test in asked if test.message):
                raise InvalidProject(what=short)
        return graphs

    def _package(self, checkout: Path) -> Path:
        self._tell("package")
        place = self._folder / "wheels"
        try:
            self._tools.packages.run(
                ["build", "--wheel", "--python", PYTHON, "--out-dir", str(place)],
                folder=checkout,
                log=self._log,
                failed="The wheel cannot be built",
                within=place,
                writes=(self._folder / PACKED,),
                reads=(PREFIX,),
            )
        except InvalidProject as error:
            self._case("package", "the wheel can be built", str(error))
            raise
        [wheel] = place.glob("*.whl")
        settle_wheel(written(wheel))
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
        """Run the project's code; one that does not end is the project's fault."""
        private = {"HOME": str(self._folder / "home"), "TMPDIR": str(self._folder / "tmp")}
        trees = (self._folder / name for name in (TESTED, PACKED))
        try:
            return self._tools.processes.run(
                command,
                folder=folder,
                variables=plain() | private | also,
                log=self._log,
                timeout=TIMEOUT,
                writes=[
                    *(self._folder / name for name in PRIVATE),
                    *(tree for tree in trees if tree.exists()),
                ],
                reads=[Path(command[0]).parent.parent, self._folder / "plan.json", Path(self._data_root)],
            )
        except TookTooLong as error:
            raise InvalidProject(what=error.what, fix=error.fix) from error

    def _case(self, suite: str, name: str, error: str = "") -> None:
        self._tests.append(
            TestCase(name=name, suite=suite, outcome="failed" if error else "passed", message=error)
        )
