"""The running system as the demo sees it: a process to start, and two URLs to talk to."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from penstock.app.home import Home
from penstock.core.errors import PenstockError, StepFailed, Unavailable

PATIENCE = 60.0
"""Seconds to go on asking a system that does not answer, before giving up."""
PAUSE = 0.1
BROKEN = (OSError, http.client.HTTPException, Unavailable)
"""What a caller sees of a system that dies, ends or begins."""


class Refused(PenstockError):
    """The system refused."""

    code = "refused"


class System:
    """`penstock up` on a home, as a process of its own, started again if it dies."""

    def __init__(self, home: Path, start: datetime, ports: tuple[int, int]) -> None:
        self.home = Home(home)
        self.restarts = 0
        self._start = start
        self._ports = ports
        self._process: subprocess.Popen[bytes] | None = None
        self._starting = threading.Lock()

    def start(self) -> None:
        """Start the system unless one runs on this home already, and wait until it answers."""
        if not self.home.is_owned():
            self._launch()
        self.get("/status")

    def stop(self) -> None:
        """Ask the system to end, as Ctrl-C does, and wait until it has, whoever started it."""
        server = self.home.server()
        if server:
            os.kill(server.pid, signal.SIGINT)
        elif self._process:
            self._process.send_signal(signal.SIGINT)
        if self._process:
            self._process.wait(PATIENCE)
        until = time.monotonic() + PATIENCE
        while self.home.is_owned() and time.monotonic() < until:
            time.sleep(PAUSE)

    def get(self, path: str, **query: Any) -> Any:
        """GET a noun."""
        words = "&".join(f"{name}={_quote(value)}" for name, value in query.items())
        return self._call("GET", f"{path}.json" + (f"?{words}" if words else ""), None)

    def post(self, path: str, **body: Any) -> Any:
        """POST a verb that may be done twice, until it is answered. Raises Refused."""
        return self._call("POST", path, body)

    def post_once(self, path: str, **body: Any) -> bool:
        """POST a verb that may not; False when nobody knows whether it was done. Raises Refused."""
        self.get("/status")
        server = self.home.server()
        try:
            _answer(server.url if server else "", "POST", path, body)
        except BROKEN:
            return False
        return True

    def url(self) -> str:
        """Where the running system's pages and repositories are."""
        self.get("/status")
        server = self.home.server()
        if server is None:
            raise Unavailable(what="The system ended.")
        return server.url

    def ended(self) -> bool:
        """Start the system again if its process died; True if it had."""
        with self._starting:
            return self._start_again()

    def _start_again(self) -> bool:
        if self._process is None:
            if self.home.is_owned():
                return False
        elif self._process.poll() is None:
            return False
        elif self._process.returncode == 1:
            log = self.home.logs / "up.log"
            raise StepFailed(
                what="penstock up ended.", found=log.read_text()[-500:].strip(), fix=f"See {log}."
            )
        self.restarts += 1
        self._launch()
        return True

    def _launch(self) -> None:
        self.home.make()
        with (self.home.logs / "up.log").open("ab") as output:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "penstock.cli", "up", "--home", str(self.home.folder)),
                    *("--virtual-clock", self._start.isoformat()),
                    *("--port", str(self._ports[0]), "--predict-port", str(self._ports[1])),
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def _call(self, method: str, path: str, body: Any) -> Any:
        until = time.monotonic() + PATIENCE
        while True:
            server = self.home.server()
            try:
                if server is None:
                    raise ConnectionRefusedError
                return _answer(server.url, method, path, body)
            except BROKEN as broken:
                if not isinstance(broken, ConnectionRefusedError):  # it was there until now
                    until = time.monotonic() + PATIENCE
                if not self.ended() and time.monotonic() > until:
                    raise
                time.sleep(PAUSE)


def _answer(url: str, method: str, path: str, body: Any) -> Any:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=900)
    try:
        headers = {"Content-Type": "application/json"}
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        response = connection.getresponse()
        answer = json.loads(response.read())
    finally:
        connection.close()
    if response.status == Unavailable.status:
        raise Unavailable(what=answer["error"])
    if response.status >= 400:
        raise Refused(what=answer["error"])
    return answer


def _quote(value: Any) -> str:
    text = value.isoformat() if isinstance(value, datetime) else str(value)
    return text.replace("+", "%2B").replace(" ", "%20")
