"""`penstock up`: the whole system on one home, until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import uvicorn

from penstock.adapters.executors.machine import machine_room
from penstock.adapters.predictor.process import PredictorProcess
from penstock.app.home import Home, Server
from penstock.app.loop import Loop, Tick
from penstock.app.wiring import LOOPBACK, App
from penstock.core.errors import Conflict, InvalidValue
from penstock.runs.room import Room

__all__ = ["machine_room", "run"]

HOST, ANY = LOOPBACK, "0.0.0.0"  # noqa: S104 - it is compared with
GRACE = 10
"""Seconds that open requests are given at the end."""
log = logging.getLogger("penstock.up")


def run(
    home: Path,
    *,
    port: int,
    predict_port: int,
    predict_processes: int = 1,
    predict_memory: int = 0,
    origins: Sequence[str] = (),
    make_web: Callable[[App], Any],
    on_ready: Callable[[Server], None],
    virtual: datetime | None = None,
    on: str = "local",
    room: Room | None = None,
    isolation: str = "none",
    online: str = "",
    host: str = HOST,
) -> None:
    """Run until SIGINT or SIGTERM, then end gracefully: answers are kept, work goes back in the queue.

    On a `host` other than the loopback, pages and API answer nobody without an access token. `origins` are
    the sites whose pages may ask for predictions.

    Raises Conflict when a port is taken or another system owns the home, and InvalidValue and
    Unavailable where steps cannot run `on` what was named.
    """
    if on == "inline":
        raise InvalidValue(
            what="A server never runs a project's code in its own process",
            expected="local, ray or ray://HOST:PORT",
            found=on,
        )
    place = Home(home)
    place.make()
    with place.owned(), _listen(host, port) as listening:
        _log_to(place.logs / "control.log")
        app = App(place, virtual=virtual, on=on, room=room, isolation=isolation, online=online)
        try:
            app.isolation.prove()
            app.host = host
            predictor = PredictorProcess(
                place.folder,
                predict_port,
                predict_processes,
                memory=predict_memory,
                origins=origins,
                online=online,
                isolation=isolation,
                outlives=True,
            )
            with app.store.sole():
                _serve(app, listening, predictor, make_web, on_ready)
        finally:
            place.withdraw()
            app.close()


def _serve(
    app: App,
    listening: socket.socket,
    predictor: PredictorProcess,
    make_web: Callable[[App], Any],
    on_ready: Callable[[Server], None],
) -> None:

    def supervise(_now: datetime) -> bool:
        """Start the prediction service again if it died."""
        if predictor.alive():
            return False
        log.warning("the prediction service ended; starting it again")
        predictor.start()
        return True

    def look_outside(now: datetime) -> bool:
        """Speak with forges outside, in a loop of its own: a slow one delays nobody."""
        found = app.upstreams.tick(now)
        if found:
            loop.poke()
        return found

    def beside(*duties: tuple[str, Tick]) -> Loop:
        return Loop(duties, app.clock.now, lambda: None, lambda _seconds: False)

    outside = beside(("upstreams", look_outside))
    actions = beside(("subscriptions", app.subscriptions.tick), ("actions", app.outbox.tick))
    loop = app.loop = Loop((("prediction", supervise), *app.ticks), app.clock.now, app.pace, app.carry)
    try:
        predictor.start()
        bound, port = listening.getsockname()
        address = f"http://{HOST if bound in {HOST, ANY} else bound}:{port}"
        server = Server(url=address, predict_url=predictor.url, pid=os.getpid())
        app.recover()
        app.home.announce(server)
        loop.start()
        outside.start()
        actions.start()
        on_ready(server)
        _Web(make_web(app), loop).run(sockets=[listening])
    finally:
        loop.stop()
        outside.stop()
        actions.stop()
        try:
            app.traffic.look(app.clock.now())
        finally:
            predictor.stop()


class _Web(uvicorn.Server):
    """Serves until a signal ends it; the loop ends first, so that no request waits for it any longer."""

    def __init__(self, application: Any, loop: Loop) -> None:
        super().__init__(
            uvicorn.Config(
                application,
                lifespan="off",
                log_config=None,
                access_log=False,
                timeout_graceful_shutdown=GRACE,
            )
        )
        self._loop = loop

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await asyncio.to_thread(self._loop.stop)
        await super().shutdown(sockets)


def _listen(host: str, port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen()  # whoever is told the address may come at once
    except OSError:
        listening.close()
        raise Conflict(
            what=f"Port {port} is taken by another program.", fix="Stop it, or choose another with --port."
        ) from None
    return listening


def _log_to(path: Path) -> None:
    logging.basicConfig(
        filename=path, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    for chatty in ("alembic", "httpx"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
