"""A receiver of webhooks in this process: start it with `with`, and look at what it was sent."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


@dataclass(frozen=True)
class Post:
    """What was sent. Names of headers are in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes


class Receiver:
    """Takes everything; `trouble` are the next statuses with their headers, `stuck` makes it slow."""

    def __init__(self) -> None:
        self.posts: list[Post] = []
        self.trouble: list[tuple[int, dict[str, str]]] = []
        self.stuck: threading.Event | None = None
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: Any) -> None:
                """Say nothing."""

            def do_POST(self) -> None:
                """Take a message."""
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                if receiver.stuck:
                    receiver.stuck.wait(30)
                status, said = receiver.trouble.pop(0) if receiver.trouble else (204, {})
                if status < 300:
                    headers = {name.lower(): value for name, value in self.headers.items()}
                    receiver.posts.append(Post(self.path, headers, body))
                self.send_response(status)
                for name, value in ({"Content-Length": "0"} | said).items():
                    self.send_header(name, value)
                self.end_headers()

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
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
