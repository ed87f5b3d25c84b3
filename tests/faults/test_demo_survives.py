"""The demo, with each of its processes killed in turn, ends as it does undisturbed."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from penstock.app.home import Home

pytestmark = pytest.mark.skipif(
    os.environ.get("PENSTOCK_LONG_TESTS") != "1",
    reason="runs the demo twice, some five minutes: set PENSTOCK_LONG_TESTS=1",
)

EXAMPLE = Path(__file__).parents[2] / "examples" / "flights"
LONG = 900.0
CONTROL = "penstock.cli\0up"
ProcessesOf = Callable[..., list[int]]


class Demo:
    """`penstock demo` in a folder of its own."""

    def __init__(self, folder: Path, processes_of: ProcessesOf) -> None:
        self.folder = folder
        self.home = Home(folder / "demo" / "home")
        self._processes_of = processes_of
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, or go on with it."""
        self.folder.mkdir(exist_ok=True)
        with (self.folder / "demo.log").open("ab") as output:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "penstock.cli", "demo", "--json"),
                    *("--home", str(self.folder / "demo"), "--project", str(EXAMPLE)),
                ],
                cwd=self.folder,
                stdout=output,
                stderr=output,
            )

    def kill(self, *words: str) -> None:
        """Kill every process of the demo whose command line holds the words, once there is one."""
        victims = self.sees(*words)
        for pid in victims:
            os.kill(pid, signal.SIGKILL)

    def sees(self, *words: str) -> list[int]:
        """Wait until processes of the demo run whose command line holds the words."""
        found: list[int] = until(lambda: self._processes_of(self.folder / "demo", *words))
        return found

    def kill_driver(self) -> None:
        """Kill the demo itself, and go on with it."""
        assert self.process
        self.process.kill()
        self.process.wait()
        self.start()

    def reaches(self, moment: str) -> None:
        """Wait until the virtual time is this, or later."""
        until(lambda: self._now() >= moment)

    def end(self) -> dict[str, Any]:
        """The report, once the demo has ended."""
        assert self.process
        assert self.process.wait(LONG) == 0, (self.folder / "demo.log").read_text()[-2000:]
        report: dict[str, Any] = json.loads((self.folder / "demo-report.json").read_text())
        return report

    def _now(self) -> str:
        server = self.home.server()
        with contextlib.suppress(httpx.TransportError, KeyError):
            return str(httpx.get(f"{server.url}/status.json").json()["now"]) if server else ""
        return ""


def until(found: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + LONG
    while not (what := found()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)
    return what


def test_the_demo_ends_as_it_does_undisturbed(tmp_path: Path, processes_of: ProcessesOf) -> None:
    undisturbed = Demo(tmp_path / "undisturbed", processes_of)
    undisturbed.start()
    expected = undisturbed.end()

    demo = Demo(tmp_path / "killed", processes_of)
    demo.start()
    demo.sees("\0-m\0pytest\0")  # the build is at the tests
    demo.kill(CONTROL)
    demo.reaches("2013-02-27")
    demo.kill(CONTROL)
    demo.reaches("2013-03-20")
    demo.kill("penstock.adapters.predictor")
    demo.reaches("2013-04-11")
    demo.kill("penstock.adapters.executors.worker")
    demo.reaches("2013-05-01")
    demo.kill_driver()
    demo.reaches("2013-06-01T06")
    demo.kill(CONTROL)
    demo.reaches("2013-07-10")
    demo.kill("penstock.adapters.predictor")
    demo.kill_driver()
    demo.reaches("2013-10-15")
    demo.kill(CONTROL)
    found = demo.end()

    assert told(found) == told(expected)
    assert (found["failed"], found["audit"]["ok"]) == (0, True)
    assert processes_of(tmp_path) == []


def told(report: dict[str, Any]) -> dict[str, Any]:
    """The end state, without how often somebody had to ask and what number an event has."""
    same = ("predictions", "refused_promotions", "timeline", "auc_by_month", "frozen_auc_by_month")
    return {
        **{name: report[name] for name in same},
        "versions": report["versions"],
        "firings": report["firings"],
        "swaps": [{**swap, "event": 0} for swap in report["swaps"]],
    }
