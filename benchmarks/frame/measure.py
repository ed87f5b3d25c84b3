"""Whole processes timed from start to exit, contenders taking turns."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median

import msgspec

from benchmarks.frame.environments import Failed

ROUNDS = 5
TIMEOUT = 300.0
_LEFT_OUT = ("PYTHON", "VIRTUAL_ENV", "UV_", "PENSTOCK_")
"""Beginnings of variables that would make a measured process another than a user's, such as
PYTHONDONTWRITEBYTECODE, which has every start compile again."""


Once = Callable[[int], float | list[float]]
"""One measurement, with a seed of its own: what it took, or several such numbers."""


class Contender(msgspec.Struct, frozen=True, kw_only=True):
    """A tool at one task. `once` does it.

    `rounds` are counted; one more before them is not if `warm_up`.
    """

    name: str
    once: Once
    rounds: int = ROUNDS
    warm_up: bool = True


class Samples(msgspec.Struct, kw_only=True):
    """What was measured of a contender, or why nothing was."""

    values: list[float] = []
    error: str = ""

    @property
    def median(self) -> float | None:
        """The median, None where nothing was measured."""
        return median(self.values) if self.values and not self.error else None


def take_turns(contenders: Iterable[Contender], say: Callable[[str], None]) -> dict[str, Samples]:
    """Each contender once, then each again, and so on; who fails twice is left out from then on."""
    contenders = list(contenders)
    found = {contender.name: Samples() for contender in contenders}
    for number in range(-1, max(contender.rounds for contender in contenders)):
        for contender in contenders:
            samples = found[contender.name]
            if samples.error or number >= contender.rounds or (number < 0 and not contender.warm_up):
                continue
            say(f"{contender.name}, " + (f"round {number + 1}" if number >= 0 else "warm-up"))
            try:
                taken = _asked(contender, number, say)
            except Failed as error:
                samples.error = str(error)
                continue
            if number >= 0:
                samples.values += taken if isinstance(taken, list) else [taken]
    return found


def _asked(contender: Contender, number: int, say: Callable[[str], None]) -> float | list[float]:
    """One measurement; who fails is asked once more."""
    try:
        return contender.once(seed(number))
    except Failed as error:
        say(f"{contender.name} failed and is asked again: {error}")
        return contender.once(seed(number) + AGAIN)


AGAIN = 500
"""Between the seeds of two rounds."""
_STARTED = int(time.time())


def seed(number: int) -> int:
    """A number that no round before has had, so that nothing is taken from a cache."""
    return _STARTED + 1000 * (number + 1)


def surroundings(home: Path, settings: Mapping[str, str]) -> dict[str, str]:
    """The variables of a measured process: ours less what would distort, and a home of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_LEFT_OUT)}
    return {**kept, "HOME": str(home), "DO_NOT_TRACK": "1", **settings}


def timed(
    command: Sequence[str], *, folder: Path, env: Mapping[str, str], timeout: float = TIMEOUT
) -> tuple[float, str]:
    """Seconds from start to exit, and what it printed. Raises Failed.

    Whatever the process leaves running is ended, after the clock has stopped.
    """
    with tempfile.TemporaryFile() as output:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=folder, env=env, stdout=output, stderr=output, stdin=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        try:
            ended = os.pidfd_open(process.pid)  # `wait` with a timeout looks every 50 ms only
            done, _, _ = select.select([ended], [], [], timeout)
            took = time.perf_counter() - started
            os.close(ended)
            if not done:
                raise Failed(f"not done after {timeout:.0f} s")
        finally:
            end_group(process)
        output.seek(0)
        said = output.read().decode(errors="replace")
    if process.returncode:
        raise Failed(f"exit {process.returncode}: " + " ".join(said.split())[-300:])
    return took, said


def end_group(process: subprocess.Popen[bytes]) -> None:
    """End a process that was started in a session of its own, and those it has started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
