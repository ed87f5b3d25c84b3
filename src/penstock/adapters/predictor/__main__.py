"""The prediction service: `python -m penstock.adapters.predictor --home HOME --port PORT --processes N`.

Its first line on the standard output is `{"url": …}` when it answers, or `{"error": sentence}`.
It ends gracefully on SIGTERM, SIGINT, a word on its standard input, or when that is closed, as happens when
its parent dies in whatever way; with `--outlive` it then goes on until the next one of this home begins. This
process answers nothing itself: it watches the ones that do.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import msgspec
import uvloop

from penstock.adapters.blobs.folder import FolderBlobs
from penstock.adapters.isolation.choice import open_isolation
from penstock.adapters.online.choice import open_online
from penstock.adapters.predictor.fleet import Fleet
from penstock.adapters.predictor.kept import PlanFile, killed_in, life_ends, only_one, service_key
from penstock.adapters.predictor.listener import Listener
from penstock.adapters.predictor.log import LogWriter
from penstock.adapters.predictor.peers import HOST
from penstock.adapters.predictor.server import Server
from penstock.adapters.predictor.table import Table
from penstock.adapters.predictor.terms import Terms
from penstock.core.errors import Conflict, PenstockError

BACKLOG = 2048
LOOKS = (20_000, 20, 20)
"""When Python looks for cycles: what a turn makes is gone at its end, and to look at it every few requests
takes as long as they do.
"""
GRACE = 5
"""Seconds that open requests are given at the end."""


def main() -> int:
    """Serve until told to stop; 1 when it cannot begin."""
    options = argparse.ArgumentParser(prog="penstock.adapters.predictor", description="Answers predictions.")
    options.add_argument("--home", type=Path, required=True, help="the home directory")
    options.add_argument("--port", type=int, default=0, help="the port on the loopback; 0 takes any")
    options.add_argument("--processes", type=int, default=1, help="how many processes answer")
    options.add_argument("--memory", type=int, default=0, help="the most bytes that one may hold; 0 is any")
    options.add_argument("--origin", action="append", default=[], help="a site whose pages may ask")
    options.add_argument("--isolation", default="none", help="how processes of models are kept from the home")
    options.add_argument("--outlive", action="store_true", help="go on when the parent is killed")
    given = options.parse_args()
    log_with_times()
    try:
        with ExitStack() as held:
            alone = held.enter_context(only_one(given.home))
            public = _bound(given.port, given.processes)
            private = [socket.create_server((HOST, 0), backlog=BACKLOG) for _ in range(given.processes)]
            for each in (*public, *private):
                held.enter_context(each)
            service = Service(given.home, public, private, given.origin, given.isolation)
            gc.collect()
            gc.freeze()  # so that copies share what is there
            port = public[0].getsockname()[1]
            fleet = Fleet(service.serve, given.processes, given.memory)
            ready = partial(_tell, url=f"http://{HOST}:{port}")
            error = fleet.run(ready, alone if given.outlive else None)
    except PenstockError as failed:
        error = str(failed)
    if error:
        _tell(error=error)
    return int(bool(error))


def log_with_times() -> None:
    """Write the log to the standard error, each entry with its moment in UTC."""
    line = logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%SZ")
    line.converter = time.gmtime
    written = logging.StreamHandler()
    written.setFormatter(line)
    logging.getLogger().addHandler(written)


class Service:
    """What each process serves: its own socket of the shared port, and one at which the others ask it."""

    def __init__(
        self,
        home: Path,
        public: list[socket.socket],
        private: list[socket.socket],
        origins: list[str],
        isolation: str,
    ) -> None:
        self._isolation = open_isolation(isolation, home)
        self._home = home
        self._public = public
        self._private = private
        self._origins = origins
        self._key = service_key(home)

    def serve(self, place: int, alive: int, tell: Callable[[], None]) -> None:
        """Answer until the file `alive` ends. Raises PenstockError when the kept plan cannot be read."""
        mine = (self._public[place], self._private[place])
        others = [each.getsockname()[1] for each in self._private if each not in mine]
        for each in (*self._public, *self._private):
            if each not in mine:
                each.close()
        address = os.environ.get("PENSTOCK_ONLINE", "")
        online = open_online(address, self._home / "online.db", patient=False)
        blobs = FolderBlobs(self._home / "blobs")
        table = Table(blobs, PlanFile(self._home), online, self._isolation)
        table.resume()
        log = LogWriter(self._home / "predictions")
        gc.freeze()
        gc.set_threshold(*LOOKS)
        died = killed_in(self._home, table.state.plan, place)
        server = Server(table, log, self._key, died, others)
        threading.Thread(target=table.catch_up, daemon=True).start()
        try:
            uvloop.run(_answer(server, Terms(server, self._origins), mine, alive, tell))
        finally:
            server.close()
            log.close()
            online.close()
            life_ends(self._home, place)


async def _answer(
    server: Server, terms: Terms, sockets: tuple[socket.socket, ...], alive: int, tell: Callable[[], None]
) -> None:
    """Answer until a signal, or the end of the parent, says that it is enough, or a thread hangs: then what
    others have asked is still answered.
    """
    enough, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, enough.set)
    threading.Thread(target=_when_it_ends, args=(alive, loop, enough), daemon=True).start()
    listener = Listener(terms, sockets, lambda: enough.set() if server.hangs() else tell())
    await listener.begin()
    await enough.wait()
    await listener.end(GRACE)


def _bound(port: int, processes: int) -> list[socket.socket]:
    """Listening sockets on one port of the loopback, to which the kernel deals out connections.

    Raises Conflict when the port is taken. A first socket finds that out: ones that share a port would join
    those of another service without a word.
    """
    try:
        with socket.create_server((HOST, port)) as first:
            port = first.getsockname()[1]
            if processes == 1:
                first.listen(BACKLOG)
                return [first.dup()]
        return [
            socket.create_server((HOST, port), backlog=BACKLOG, reuse_port=True) for _ in range(processes)
        ]
    except OSError as error:
        raise Conflict(
            what=f"Port {port} for predictions is taken by another program",
            found=error.strerror or "",
            fix="Stop it, or choose another with --predict-port.",
        ) from error


def _when_it_ends(file: int, loop: asyncio.AbstractEventLoop, enough: asyncio.Event) -> None:
    while os.read(file, 1024):
        continue
    loop.call_soon_threadsafe(enough.set)


def _tell(**line: str) -> None:
    sys.stdout.write(msgspec.json.encode(line).decode() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
