"""Flights that ask for predictions, in order of departure, over HTTP."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec

from penstock.cli.demo.system import PATIENCE, PAUSE, System

PATIENT = 0.3
"""Seconds after which flights begin to ask again."""


class Flight(msgspec.Struct, frozen=True):
    """A flight: what it tells the model, and what really happened (None: it never arrived)."""

    id: str
    departs_at: float
    known_at: float
    features: dict[str, Any]
    late: bool | None


class Counts(msgspec.Struct):
    """What became of the requests. `repeated` ones were asked again while a version went live;
    `retried` ones found no server, because a process had died, and were asked until answered.
    """

    requests: int = 0
    failed: int = 0
    repeated: int = 0
    retried: int = 0


class Passengers:
    """A keep-alive connection to the prediction service that asks and counts."""

    def __init__(self, system: System, model: str, datatypes: dict[str, str]) -> None:
        self._system = system
        self._model = model
        self._datatypes = datatypes
        self._connection: http.client.HTTPConnection | None = None
        self._same = True
        self.counts = Counts()

    def ask(self, flights: Sequence[Flight]) -> None:
        """Each flight asks the champion once."""
        for flight in flights:
            self._send(f"/v2/models/{self._model}/infer", flight.id, [flight])

    def ask_version(self, version: int, name: str, flights: Sequence[Flight]) -> None:
        """All the flights ask one fixed version, together, in a request called `name`."""
        if flights:
            self._send(f"/v2/models/{self._model}/versions/{version}/infer", name, flights)

    def same_process(self) -> bool:
        """Whether one process has answered everything since the last time this was asked, and lives.

        Then whatever was made durable meanwhile holds all that it answered; else the last of its
        answers may be gone with it, and are to be asked for again.
        """
        try:
            self._exchange("GET", "/v2/health/live")
        except (OSError, http.client.HTTPException):
            self.close()
        same, self._same = self._same, True
        return same

    def close(self) -> None:
        """Hang up."""
        self._same = False
        if self._connection:
            self._connection.close()
            self._connection = None

    def _send(self, path: str, name: str, flights: Sequence[Flight]) -> None:
        body = json.dumps({"id": name, "inputs": self._inputs(flights)})
        self.counts.requests += 1
        until = time.monotonic() + PATIENCE
        while True:
            try:
                self.counts.failed += self._exchange("POST", path, body) != 200
                break
            except (OSError, http.client.HTTPException):
                self.close()
                if time.monotonic() > until:
                    self.counts.failed += 1
                    break
                self.counts.retried += 1
                self._system.ended()
                time.sleep(PAUSE)

    def _exchange(self, method: str, path: str, body: str = "") -> int:
        if self._connection is None:
            server = self._system.home.server()
            if server is None:
                raise ConnectionRefusedError
            parts = urlsplit(server.predict_url)
            self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
        self._connection.request(method, path, body, {"Content-Type": "application/json"})
        response = self._connection.getresponse()
        response.read()
        return response.status

    def _inputs(self, flights: Sequence[Flight]) -> list[dict[str, Any]]:
        return [
            {
                "name": name,
                "shape": [len(flights)],
                "datatype": datatype,
                "data": [flight.features[name] for flight in flights],
            }
            for name, datatype in self._datatypes.items()
        ]


class Impatience:
    """Asks again what was asked already, without end, while something else goes on.

    The questions carry their old ids, so the prediction log counts each of them once:
    this is load for the hot swap, not new traffic.
    """

    def __init__(self, passengers: Passengers, flights: Sequence[Flight]) -> None:
        self._passengers = passengers
        self._flights = flights
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._go, name="impatient-passengers")

    def __enter__(self) -> None:
        if self._flights:
            self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        if self._flights:
            self._thread.join()

    def _go(self) -> None:
        if self._enough.wait(PATIENT):
            return
        while not self._enough.wait(0.005):
            for flight in self._flights:
                self._passengers.ask([flight])
                self._passengers.counts.repeated += 1
                if self._enough.wait(0.005):
                    return
