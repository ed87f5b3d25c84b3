"""An HTTP server in this process: start it with `with`."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


class Serving:
    """Answers on the loopback at a port of its own; `stuck` keeps answers back until it is set."""

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        self.stuck: threading.Event | None = None
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self.host = f"127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        """Begin to answer."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop answering."""
        if self.stuck:
            self.stuck.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
