"""A receiver of webhooks in this process: start it with `with`, and look at what it was sent."""

from __future__ import annotations

from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Any

from penstock.testing.serving import Serving


@dataclass(frozen=True)
class Post:
    """What was sent. Names of headers are in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes


class Receiver(Serving):
    """Takes everything; `trouble` are the next statuses with their headers, `stuck` makes it slow."""

    def __init__(self) -> None:
        self.posts: list[Post] = []
        self.trouble: list[tuple[int, dict[str, str]]] = []
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

        super().__init__(Handler)
