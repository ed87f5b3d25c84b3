"""From a push to a green build and to a run, beside the same duties done by hand and by nox."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.builds.flights import Flights, cache, flights
from benchmarks.frame.bench import Bench
from benchmarks.frame.environments import ROOT, Environment, environment, penstock, version_of
from benchmarks.frame.measure import Samples, surroundings, timed
from benchmarks.frame.results import Bar

PROGRAMS = Path(__file__).parent / "programs"
OURS, BY_HAND, NOX = "Penstock", "by hand with uv, pytest", "nox with uv"
GREEN, BEGUN = "push to green build", "change of a step to its run in test"
DUTIES = "it makes no executable and does no automatic tests"
_SECONDS = re.compile(r'<testcase [^>]*time="([^"]+)"')
nox = partial(environment, "nox", "nox==2026.10.20", "uv==0.13.9")


def pushes(bench: Bench) -> None:
    """A line of a step is changed and pushed; the peers begin when the push has ended."""
    with flights(bench) as project:
        begun: list[float] = []

        def ours(seed: int) -> float:
            seen = project.push(seed)
            begun.append(seen.begun - seen.own)
            return seen.green - seen.own

        peers = {BY_HAND: by_hand, NOX: by_nox}
        contenders = [
            bench.contender(OURS, ours),
            *(bench.contender(name, partial(_built, project, name, do)) for name, do in peers.items()),
        ]
        found = bench.take_turns(GREEN, contenders)
    versions = {BY_HAND: version_of("uv", penstock), NOX: version_of("nox", nox)}
    own = "own tests are not counted"
    for name in peers:
        note = f"{own}; {DUTIES}"
        bar = Bar(at_most=8)
        bench.results.add(GREEN, "s", found[OURS], found[name], name, versions[name], bar=bar, note=note)
    counted = Samples(values=begun[-len(found[OURS].values) :], error=found[OURS].error)
    bench.results.add(BEGUN, "s", counted, bar=Bar(at_most=15), note=f"{own}; to the first step of the run")


def by_hand(project: Flights, folder: Path) -> float:
    """The script, with uv on its path."""
    env = _env(folder, penstock())
    command = ["sh", str(PROGRAMS / "by_hand.sh"), _repository(project), "dev", str(folder / "output")]
    command.append(wheel(project))
    return timed(command, folder=folder, env=env)[0]


def by_nox(project: Flights, folder: Path) -> float:
    """A clone, and the session."""
    env = _env(folder, nox()) | {"OUTPUT": str(folder / "output"), "PENSTOCK_WHEEL": wheel(project)}
    clone = ["git", "clone", "--quiet", "--branch", "dev", _repository(project), "checkout"]
    cloned, _ = timed(clone, folder=folder, env=env)
    shutil.copy(PROGRAMS / "noxfile.py", folder / "checkout")
    session = [nox().program("nox"), "--session", "build", "--envdir", str(folder / "nox")]
    took, _ = timed(session, folder=folder / "checkout", env=env)
    return cloned + took


def _built(project: Flights, name: str, do: Callable[[Flights, Path], float], _seed: int) -> float:
    """Seconds of a build in an empty folder, without those of the project's own tests."""
    folder = project.folder.parent / name.replace(" ", "-")
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "output").mkdir(parents=True)
    took = do(project, folder)
    report = (folder / "output" / "report.xml").read_text(encoding="utf-8")
    return took - sum(map(float, _SECONDS.findall(report)))


def wheel(project: Flights) -> str:
    """This tree's Penstock, which the project is made with."""
    place = project.folder.parent / "wheel"
    if not place.exists():
        build = [penstock().program("uv"), "build", "--quiet", "--wheel", "--out-dir", str(place), str(ROOT)]
        timed(build, folder=project.folder, env=project.env)
    [made] = place.glob("*.whl")
    return str(made)


def _repository(project: Flights) -> str:
    return str(project.home / "git" / "flights.git")


def _env(folder: Path, made: Environment) -> dict[str, str]:
    env = surroundings(folder, {"UV_CACHE_DIR": cache()})
    return env | {"PATH": f"{made.bin}:{env['PATH']}"}
