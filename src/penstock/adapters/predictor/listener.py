"""The connections of a prediction process: accepted, watched, and let go when it ends."""

from __future__ import annotations

import asyncio
import resource
import socket
from collections.abc import Callable, Sequence

from penstock.adapters.predictor.http import Application, Connection

_SPARE = 128
"""Files that the process needs beside its connections."""
LOOK = 1.0
"""Seconds between looks at connections that may have to end."""


class Listener:
    """Accepts connections for an application on bound sockets."""

    def __init__(
        self, application: Application, sockets: Sequence[socket.socket], turned: Callable[[], None]
    ) -> None:
        """`turned` is called at each look: the loop turns."""
        self.now = 0.0
        self.ending = False
        self._application = application
        self._sockets = sockets
        self._turned = turned
        self._connections: set[Connection] = set()
        self._most = max(_SPARE, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - _SPARE)
        self._gone = asyncio.Event()

    async def begin(self) -> None:
        """Accept connections from now on."""
        self._loop = asyncio.get_running_loop()
        self.now = self._loop.time()
        self._servers = [
            await self._loop.create_server(lambda: Connection(self._application, self), sock=each)
            for each in self._sockets
        ]
        self._watch()

    async def end(self, grace: float) -> None:
        """Accept no more; answer what was asked, for so many seconds at most."""
        self.ending = True
        self._watching.cancel()
        for server in self._servers:
            server.close()
        for connection in tuple(self._connections):
            connection.end()
        until = self._loop.time() + grace
        while self._connections and (rest := until - self._loop.time()) > 0:
            self._gone.clear()
            await asyncio.wait({asyncio.ensure_future(self._gone.wait())}, timeout=rest)

    def opened(self, connection: Connection) -> bool:
        """See `Lines.opened`."""
        self._connections.add(connection)
        return len(self._connections) <= self._most

    def closed(self, connection: Connection) -> None:
        """See `Lines.closed`."""
        self._connections.discard(connection)
        self._gone.set()

    def _watch(self) -> None:
        self.now = self._loop.time()
        for connection in tuple(self._connections):
            connection.look()
        self._turned()
        self._watching = self._loop.call_later(LOOK, self._watch)
