"""What every part of the demo does with the system: ask, wait, advance the year."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from penstock.cli.demo.system import System
from penstock.cli.demo.traffic import Counts
from penstock.core.errors import StepFailed

START = datetime(2013, 2, 26, tzinfo=UTC)
LIVE = datetime(2013, 3, 1, tzinfo=UTC)
END = datetime(2014, 1, 2, tzinfo=UTC)
STEP = timedelta(hours=8)
PROJECT, PIPELINE, MODEL = "flights", "train_delay", "delay"
AUTHOR, REVIEWER, OPERATOR = "ada", "grace", "katherine"
LONG = 900.0
"""Seconds to wait for the consequences of one thing before calling it stuck."""

TRIES = 10
"""How often something is done again that a dying process may have undone."""


class Memory(msgspec.Struct):
    """What the demo must know when it goes on after being stopped."""

    counts: Counts = msgspec.field(default_factory=Counts)
    refusals: list[str] = []
    seconds: float = 0.0


class Stage:
    """The demo's hands: one system, and a memory that survives the demo itself."""

    def __init__(self, system: System, folder: Path, say: Callable[[str], None]) -> None:
        self.system = system
        self.say = say
        self._path = folder / "progress.json"
        self.memory = Memory()
        if self._path.exists():
            self.memory = msgspec.json.decode(self._path.read_bytes(), type=Memory)
        self._now: datetime | None = None
        self._began = time.monotonic() - self.memory.seconds

    def remember(self) -> None:
        """Keep the memory on disk."""
        self.memory.seconds = time.monotonic() - self._began
        made = self._path.with_suffix(".new")
        made.write_bytes(msgspec.json.encode(self.memory))
        made.replace(self._path)

    def now(self) -> datetime:
        """The virtual time, which nobody but the demo advances."""
        if self._now is None:
            self._now = datetime.fromisoformat(self.system.get("/status")["now"])
        return self._now

    def settle(self) -> None:
        """Wait until everything so far has had all its consequences. Raises StepFailed if it never does."""
        self._settled(self.system.post("/settle", wait=LONG))

    def advance(self, to: datetime) -> None:
        """Let it be `to`, and wait for all the consequences; nothing where it is later already."""
        if self.now() < to:
            self._settled(self.system.post("/clock", to=to.isoformat(), wait=LONG))
            self._now = to

    def fire(self, environment: str, why: str) -> None:
        """Ask for a run on demand, once for each reason, and wait until it is over."""
        wish = {"pipeline": PIPELINE, "environment": environment, "why": why, "actor": OPERATOR}
        for _ in range(TRIES):
            self.settle()
            fired = self.system.get("/firings", environment=environment, limit=0)["items"]
            if any(why in firing["why"] for firing in fired):
                return
            self.system.post_once("/triggers/fire", **wish)
        raise StepFailed(what=f"Nothing was fired in {environment} because {why}.")

    def succeeded(self, environment: str) -> int:
        """How many runs succeeded in an environment. Raises StepFailed if one failed."""
        runs = self.system.get("/runs", environment=environment, limit=0)["items"]
        for run in runs:
            if run["status"] == "failed":
                raise StepFailed(what=f"Run {run['id']} failed in {environment}.", found=run["error"])
        return sum(run["status"] == "succeeded" for run in runs)

    @staticmethod
    def _settled(status: dict[str, object]) -> None:
        if not status["settled"]:
            raise StepFailed(
                what="The system does not settle.",
                found=str(status["problems"] or status["active"]),
                fix="See the log under the home: logs/control.log.",
            )
