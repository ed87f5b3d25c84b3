"""The prediction process: `python -m penstock.adapters.predictor --home HOME --port PORT`.

Its first line on the standard output is `{"url": …}` when it answers, or `{"error": sentence}`.
It ends gracefully on SIGTERM, SIGINT, or when its standard input is closed, as happens when its
parent dies in whatever way.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import socket
import sys
import threading
from pathlib import Path

import msgspec
import uvloop

from penstock.adapters.blobs.folder import FolderBlobs
from penstock.adapters.predictor.kept import PlanFile, killed_in, life_ends, only_one, service_key
from penstock.adapters.predictor.listener import Listener
from penstock.adapters.predictor.log import LogWriter
from penstock.adapters.predictor.server import Server
from penstock.adapters.predictor.table import Table
from penstock.core.errors import Conflict, PenstockError

HOST = "127.0.0.1"
BACKLOG = 2048
GRACE = 5
"""Seconds that open requests are given at the end."""


def main() -> int:
    """Serve until told to stop; 1 when it cannot begin."""
    options = argparse.ArgumentParser(prog="penstock.adapters.predictor", description="Answers predictions.")
    options.add_argument("--home", type=Path, required=True, help="the home directory")
    options.add_argument("--port", type=int, default=0, help="the port on the loopback; 0 takes any")
    given = options.parse_args()
    try:
        with only_one(given.home), _bound(given.port) as listening:
            _serve(given.home, listening)
    except PenstockError as error:
        _tell(error=str(error))
        return 1
    return 0


def _serve(home: Path, listening: socket.socket) -> None:
    table = Table(FolderBlobs(home / "blobs"), PlanFile(home))
    table.resume()
    log = LogWriter(home / "predictions")
    application = Server(table, log, service_key(home), killed_in(home, table.state.plan))
    try:
        uvloop.run(_answer(application, listening))
    finally:
        application.close()
        log.close()
        life_ends(home)


async def _answer(application: Server, listening: socket.socket) -> None:
    """Answer until a signal, or the end of the parent, says that it is enough."""
    enough, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, enough.set)
    threading.Thread(target=_when_parent_ends, args=(loop, enough), daemon=True).start()
    listener = Listener(application, [listening])
    await listener.begin()
    host, port = listening.getsockname()[:2]
    _tell(url=f"http://{host}:{port}")
    await enough.wait()
    await listener.end(GRACE)


def _bound(port: int) -> socket.socket:
    """A listening socket on the loopback. Raises Conflict when the port is taken."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        listening.bind((HOST, port))
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        raise Conflict(
            what=f"Port {port} for predictions is taken by another program",
            found=error.strerror or "",
            fix="Stop it, or choose another with --predict-port.",
        ) from error
    return listening


def _when_parent_ends(loop: asyncio.AbstractEventLoop, enough: asyncio.Event) -> None:
    while os.read(sys.stdin.fileno(), 1024):
        continue
    loop.call_soon_threadsafe(enough.set)


def _tell(**line: str) -> None:
    sys.stdout.write(msgspec.json.encode(line).decode() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
