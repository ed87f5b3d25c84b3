"""The connections of a prediction process: accepted, watched, and let go when it ends."""

from __future__ import annotations

import asyncio
import resource
import socket
from collections.abc import Callable, Sequence

from penstock.adapters.predictor.awake import Awake
from penstock.adapters.predictor.http import Application, Connection

_SPARE = 128
"""Files that the process needs beside its connections."""
_AT_ONCE = 256
"""Connections that are accepted in one turn at most."""
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
        self.awake = Awake()
        self._application = application
        self._sockets = sockets
        self._turned = turned
        self._connections: set[Connection] = set()
        self._most = max(_SPARE, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - _SPARE)
        self._coming: set[asyncio.Task[None]] = set()
        self._gone = asyncio.Event()

    async def begin(self) -> None:
        """Accept connections from now on."""
        self._loop = asyncio.get_running_loop()
        self.now = self._loop.time()
        for each in self._sockets:
            each.setblocking(False)
            self._listen(each)
        self._watch()

    async def end(self, grace: float) -> None:
        """Accept no more; answer what was asked, for so many seconds at most."""
        self.ending = True
        self._watching.cancel()
        for each in self._sockets:
            self._loop.remove_reader(each)
            each.close()
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

    def _listen(self, listening: socket.socket) -> None:
        if not self.ending:
            self._loop.add_reader(listening, self._accept, listening)

    def _accept(self, listening: socket.socket) -> None:
        """Accept all that wait. One in each turn, as the loop's own server does, has the last of many wait
        for as many turns, each of which answers those before it.
        """
        for _ in range(_AT_ONCE):
            try:
                accepted, _ = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError:  # there are no files left; it would be told again and again
                self._loop.remove_reader(listening)
                self._loop.call_later(LOOK, self._listen, listening)
                return
            accepted.setblocking(False)
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            task = self._loop.create_task(self._connect(accepted))
            self._coming.add(task)
            task.add_done_callback(self._coming.discard)

    async def _connect(self, accepted: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(lambda: Connection(self._application, self), accepted)
        except OSError:  # it is gone already
            accepted.close()

    def _watch(self) -> None:
        self.now = self._loop.time()
        for connection in tuple(self._connections):
            connection.look()
        self._turned()
        self._watching = self._loop.call_later(LOOK, self._watch)
