"""One build: checkout, files, environment; tests, automatic tests and package side by side; outputs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event, Lock

import msgspec

from penstock.adapters.builders.automatic import Plan
from penstock.adapters.builders.checkouts import Checkout
from penstock.adapters.builders.covered import covered, judged, with_features
from penstock.adapters.builders.environments import Environments
from penstock.adapters.builders.outputs.archives import settle_wheel
from penstock.adapters.builders.outputs.make import Gathered, Outputs, Stage
from penstock.adapters.builders.packages import Packages
from penstock.adapters.builders.parts import Part, side_by_side
from penstock.adapters.builders.processes import Processes, TookTooLong
from penstock.adapters.builders.project_files import CONFIG, check_files
from penstock.adapters.builders.report import UNENDED, Told, failures, verdict
from penstock.adapters.builders.surroundings import plain
from penstock.adapters.isolation.written import open_written, written
from penstock.builds.decide import dangling
from penstock.builds.types import Build, Built, ModuleCoverage, Output, TestCase
from penstock.core.durations import duration
from penstock.core.errors import InvalidProject
from penstock.lineage.ports import Blobs
from penstock.pipelines.survey import Survey
from penstock.pipelines.types import Graph
from penstock.revisions.config import ProjectConfig
from penstock.revisions.locks import LOCK, PROJECT
from penstock.revisions.ports import Forge

TIMEOUT = 1800.0
"""Seconds after which a project's tests, or the drawing of its pipelines, are given up."""
TESTED, PACKED, DRAWN = "tested", "packed", "drawn"
"""The checkouts: of the project's tests, of the wheel, of the automatic tests."""
PRIVATE = ("home", "tmp", "told")
"""What a part's programs may write to beside their checkout; other folders and files of a build are ours."""
PREFIX, PYTHON = Path(sys.base_prefix).resolve(), str(Path(sys.executable).resolve())
_LOOK = 0.05
"""Seconds between two looks for the drawn graphs."""
OUTPUTS = "what can be had of the release can be made"
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
    """Works through one build in an empty folder.

    Each part has a clean checkout of its own: what the tests leave in theirs reaches no wheel.
    """

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
        self._tell = tell
        self._telling = Lock()
        self._survey, self._drawing_ended = self._own(DRAWN, "told") / "survey.json", Event()
        self._junit = ""
        self._covered: tuple[ModuleCoverage, ...] = ()
        self._with_features: tuple[str, ...] = ()
        folder.chmod(0o755)
        self._files, self._tests, self._outputs = Part(log), Part(log), Part(log)
        self._package, self._automatic = (Part(folder / f"{name}.log") for name in ("package", "automatic"))
        self._parts = (self._files, self._tests, self._package, self._automatic, self._outputs)

    def tests(self) -> tuple[TestCase, ...]:
        """The tests so far, with those that run. May be called from another thread."""
        return tuple(test for part in self._parts for test in part.tests())

    def work(self) -> Built:
        """Go on until the end, or until something is red: what was begun beside it is done as well.

        Raises Stopped when the system stops, and Unavailable or OSError where the machine, the network
        or the package index fails and not the project.
        """
        built = Built(build=self._build.id, token=self._build.token)
        try:
            built = self._green(built)
        except InvalidProject as error:
            built = msgspec.structs.replace(built, error=str(error))
        return msgspec.structs.replace(built, tests=self.tests(), junit=self._junit, coverage=self._covered)

    def _green(self, built: Built) -> Built:
        self._doing(self._files, "checkout")
        checkout = self._checkout(TESTED)
        config = self._checked(checkout)
        environments, blobs = self._tools.environments, self._tools.blobs
        environment = environments.make(
            checkout, self._files.log, lambda what: self._doing(self._files, what)
        )
        python, clean = environments.python(environment), self._checkout(PACKED)
        lock, settings = (blobs.put_file(str(file)) for file in (clean.lock, clean.folder / CONFIG))
        scratch = self._folder / "outputs"
        scratch.mkdir()
        stage = Stage(
            self._build,
            environment,
            config,
            lock,
            settings,
            clean,
            scratch,
            self._package.log,
            self._outputs.skip,
        )
        self._doing(self._files, "")
        (wheel, gathered, executable), graphs = self._proved(python, checkout, config, stage)
        built = msgspec.structs.replace(
            built,
            wheel=blobs.put_file(str(wheel)),
            lock=lock,
            config=settings,
            environment=environment,
            graphs=graphs,
        )
        self._doing(self._outputs, "package: outputs")
        with self._outputs.proving("package", OUTPUTS):
            alone = replace(stage, log=self._outputs.log)  # the others have handed theirs over
            return self._tools.outputs.make(alone, built, wheel, gathered, executable)

    def _proved(
        self, python: Path, checkout: Checkout, config: ProjectConfig, stage: Stage
    ) -> tuple[tuple[Path, Gathered, Output | None], tuple[Graph, ...]]:
        """What takes long, side by side: the project's tests, the wheel and what is packed, the automatic
        tests. Each has the surroundings that it would have alone.
        """
        longest = duration(config.tests.longest).total_seconds()
        try:
            _, packed, graphs = side_by_side(
                lambda: self._project(python, checkout.folder, longest),
                lambda: self._packed(stage),
                lambda: self._drawn_and_tested(python, config),
                give_up=lambda: self._tools.processes.cancel(self._tests.log, self._folder),
            )
        finally:
            for part in (self._package, self._automatic):
                part.hand_over(self._tests.log)
            short = self._short_of(config.tests.coverage)
        if short:
            raise InvalidProject(what=short)
        return packed, graphs

    def _short_of(self, least: int) -> str:
        """What is wrong with the coverage of modules with feature views, once both are known."""
        self._covered = with_features(self._covered, self._with_features)
        if not least or failures(self._tests.tests(), "tests"):
            return ""
        asked = list(judged(self._covered, least))
        self._tests.add(asked)
        return " ".join(test.message for test in asked if test.message)

    def _doing(self, part: Part, what: str) -> None:
        with self._telling:
            part.doing = what
            self._tell(", ".join(part.doing for part in self._parts if part.doing))

    def _own(self, tree: str, name: str) -> Path:
        """A folder that is written to by no programs but those in this checkout."""
        return self._folder / f"{name}-{tree}"

    def _checkout(self, name: str) -> Checkout:
        folder = self._folder / name
        folder.mkdir()
        self._tools.forge.checkout(self._build.project, self._build.commit, str(folder))
        if not (folder / self._build.folder).is_dir():
            raise InvalidProject(what=f"The commit has no folder {self._build.folder}.")
        return Checkout(folder / self._build.folder, folder)

    def _checked(self, checkout: Checkout) -> ProjectConfig:
        self._doing(self._files, "files")
        with self._files.proving("files", f"{PROJECT}, {CONFIG}, {LOCK}"):
            return check_files(checkout, self._build.project)

    def _project(self, python: Path, checkout: Path, longest: float) -> None:
        """The project's own tests, in its own environment."""
        part = self._tests
        self._doing(part, "test: the project's tests")
        place = self._own(TESTED, "told")
        report, told, measured = (place / name for name in ("report.xml", "told.jsonl", "covered.json"))
        command = [str(python), "-m", "pytest", "-p", "no:cacheprovider", "-p", WATCHING, "-p", MEASURING]
        asked = [f"--told={told}", f"--longest={longest}", f"--junitxml={report}", f"--covered={measured}"]
        places = [f"--basetemp={self._own(TESTED, 'tmp') / 'tests'}", f"--rootdir={checkout}"]
        try:
            with part.telling(Told(told)):
                status = self._run(part, [*command, *asked, *places], checkout)
        except InvalidProject as slow:
            within = "".join(f" {test.name} had begun." for test in part.tests() if test.message == UNENDED)
            raise InvalidProject(what=f"The tests take too long: {slow.what}{within}") from slow
        self._covered = covered(measured)
        if report.exists():
            self._junit = self._tools.blobs.put_file(str(written(report)))
        if error := verdict(status, part.tests()):
            raise InvalidProject(what=error)
        self._doing(part, "")

    def _drawn_and_tested(self, python: Path, config: ProjectConfig) -> tuple[Graph, ...]:
        try:
            return self._graphs(python, config)
        finally:
            self._drawing_ended.set()  # nobody waits for graphs any more

    def _graphs(self, python: Path, config: ProjectConfig) -> tuple[Graph, ...]:
        """The graphs of the project's pipelines, and what the automatic tests find of them.

        Both are made by one process of the project's environment, where its code is imported.
        """
        part = self._automatic
        self._doing(part, "automatic tests")
        checkout = self._checkout(DRAWN).folder
        tested, report = self._folder / "plan.json", self._own(DRAWN, "told") / "tests.jsonl"
        root = checkout / config.tests.sample if config.tests.sample else Path(self._data_root)
        plan = Plan(folder=str(checkout), root=str(root), as_of=self._build.created, config=config.tests)
        tested.write_bytes(msgspec.json.encode(plan))
        module = "penstock.adapters.builders.automatic"
        command = [str(python), "-m", module, *map(str, (tested, self._survey, report))]
        told = Told(report)
        with part.telling(told):
            few = {"OMP_NUM_THREADS": "1"}  # too few rows to share out
            status = self._run(part, command, checkout, few, reads=(tested,))
            graphs = self._drawn(config, status)
        error = failures(told.tests(), "automatic tests")
        if error or status != 0:
            broken = f"The automatic tests broke off with status {status}. See the build's log."
            raise InvalidProject(what=error or broken)
        self._doing(part, "")
        return graphs

    def _drawn(self, config: ProjectConfig, status: int) -> tuple[Graph, ...]:
        part = self._automatic
        survey = self._surveyed()
        if survey is None:
            raise InvalidProject(
                what=f"Drawing the pipelines ended with status {status}.", fix="See the build's log."
            )
        self._with_features = survey.features
        for drawing in survey.drawings:
            part.case("graph", f"{drawing.target} can be drawn", drawing.error)
        graphs = tuple(drawing.graph for drawing in survey.drawings if drawing.graph)
        errors = [survey.error, *(drawing.error for drawing in survey.drawings)]
        sentences = [error for error in errors if error]
        if not sentences:
            sentences = dangling(config, graphs) if graphs else ["The project has no pipeline."]
            part.case("graph", f"{CONFIG} names what there is", " ".join(sentences))
        if sentences:
            raise InvalidProject(what=" ".join(sentences))
        return graphs

    def _packed(self, stage: Stage) -> tuple[Path, Gathered, Output | None]:
        """The wheel, and what else of the outputs can be made before all is proved."""
        part = self._package
        self._doing(part, "package")
        place = self._folder / "wheels"
        place.mkdir()
        with part.proving("package", "the wheel can be built"):
            self._tools.packages.run(
                ["build", "--wheel", "--python", PYTHON, "--out-dir", str(place)],
                folder=stage.checkout.folder,
                log=part.log,
                failed="The wheel cannot be built",
                within=place,
                writes=(self._folder / PACKED,),
                reads=(PREFIX,),
            )
        [wheel] = place.glob("*.whl")
        settle_wheel(written(wheel))
        try:
            gathered = self._tools.outputs.gather(stage)
            graphs = self._drawn_meanwhile()
            executable = self._tools.outputs.executable(stage, wheel, graphs, gathered) if graphs else None
        except InvalidProject as error:
            self._outputs.case("package", OUTPUTS, str(error))
            raise
        self._doing(part, "")
        return wheel, gathered, executable

    def _drawn_meanwhile(self) -> tuple[Graph, ...]:
        """The graphs as soon as they are drawn, while the automatic tests go on; none where that failed."""
        survey, ended = None, False
        with suppress(InvalidProject):  # the automatic tests tell of it
            while survey is None and not ended:
                ended = self._drawing_ended.wait(_LOOK)
                survey = self._surveyed()
        return tuple(drawing.graph for drawing in survey.drawings if drawing.graph) if survey else ()

    def _surveyed(self) -> Survey | None:
        """What is drawn, if anything is yet."""
        try:
            with open_written(self._survey) as file:
                return msgspec.json.decode(file.read(), type=Survey)
        except FileNotFoundError:
            return None
        except msgspec.DecodeError as error:
            raise InvalidProject(what="What the pipelines drew cannot be read", found=str(error)) from error

    def _run(
        self,
        part: Part,
        command: list[str],
        folder: Path,
        also: Mapping[str, str] | None = None,
        reads: Sequence[Path] = (),
    ) -> int:
        """Run the project's code; one that does not end is the project's fault."""
        tree = folder.relative_to(self._folder).parts[0]
        own = {name: self._own(tree, name) for name in PRIVATE}
        for place in own.values():
            place.mkdir()
        private = {"HOME": str(own["home"]), "TMPDIR": str(own["tmp"])}
        try:
            return self._tools.processes.run(
                command,
                folder=folder,
                variables=plain() | private | dict(also or {}),
                log=part.log,
                timeout=TIMEOUT,
                writes=[*own.values(), self._folder / tree],
                reads=[Path(command[0]).parent.parent, Path(self._data_root), *reads],
            )
        except TookTooLong as error:
            raise InvalidProject(what=error.what, fix=error.fix) from error
