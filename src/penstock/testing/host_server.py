"""The HTTP side of a stand-in for a forge: its API with pages and troubles, and git over smart HTTP."""

from __future__ import annotations

import base64
import json
import subprocess
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, ClassVar, Protocol
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from penstock.testing.git import isolated

TOKEN = "a-token-of-the-forge"  # noqa: S105 a made-up one
REPOSITORY = "team/flights"


class Answers(Protocol):
    """What a forge says, and the troubles that it has."""

    url: str
    page: int
    repository: Path
    asked: list[str]
    trouble: list[tuple[int, dict[str, str]]]
    elsewhere: str
    stuck: threading.Event | None

    def kept(self, path: str) -> Any:
        """What there is at a path of the API; None for nothing."""
        ...

    def told(self, path: str, body: dict[str, Any]) -> bool | str | dict[str, Any]:
        """Keep what was told; whether the path takes that, why it is refused, or what was made."""
        ...

    def knows(self, headers: dict[str, str]) -> bool:
        """Whether a request shows the token."""
        ...


def handler_of(forge: Answers) -> type[BaseHTTPRequestHandler]:
    """The handler of requests to a forge."""
    return type("Handler", (_Handler,), {"forge": forge})


class _Refused(Exception):
    """The forge does not do what it was told, and says why."""


class _Handler(BaseHTTPRequestHandler):
    forge: ClassVar[Answers]

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Answer a program or git."""
        self._any(lambda path, _: self.forge.kept(path))

    def do_POST(self) -> None:
        """Take what is told."""
        self._any(self._told)

    def do_PUT(self) -> None:
        """Take what is to be changed."""
        self._any(self._told)

    def _told(self, path: str, body: bytes) -> Any:
        taken = self.forge.told(path, json.loads(body or b"{}"))
        if isinstance(taken, str):
            raise _Refused(taken)
        return taken if isinstance(taken, dict) else {} if taken else None

    def _any(self, api: Callable[[str, bytes], Any]) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length", 0)))
        parts = urlsplit(self.path)
        if parts.path.startswith(f"/{REPOSITORY}.git/"):
            self._git(parts.path, parts.query, headers, body)
            return
        self.forge.asked.append(parts.path)
        if self.forge.stuck:
            self.forge.stuck.wait(30)
        if self.forge.trouble:
            status, said = self.forge.trouble.pop(0)
            self._say(status, b"{}", said)
        elif not self.forge.knows(headers):
            self._say(401, b"{}", {})
        else:
            self._answer(parts, api, body)

    def _answer(self, parts: SplitResult, api: Callable[[str, bytes], Any], body: bytes) -> None:
        try:
            found = api(unquote(parts.path), body)
        except _Refused as refused:
            self._say(405, json.dumps({"message": str(refused)}).encode(), {})
            return
        if found is None:
            self._say(404, b"{}", {})
        else:
            self._paged(found, parts.path, int(parse_qs(parts.query).get("page", ["1"])[0]))

    def _paged(self, found: Any, path: str, page: int) -> None:
        said = {}
        if isinstance(found, list):
            rest = found[(page - 1) * self.forge.page :]
            if len(rest) > self.forge.page:
                said["Link"] = f'<{self.forge.elsewhere or self.forge.url}{path}?page={page + 1}>; rel="next"'
            found = rest[: self.forge.page]
        self._say(200, json.dumps(found).encode(), said)

    def _say(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _git(self, path: str, query: str, headers: dict[str, str], body: bytes) -> None:
        password = base64.b64decode(headers.get("authorization", "").removeprefix("Basic ")).decode()
        if password.partition(":")[2] != TOKEN:
            self._say(401, b"", {"WWW-Authenticate": 'Basic realm="forge"'})
            return
        done = subprocess.run(
            ["git", "http-backend"],
            input=body,
            capture_output=True,
            check=True,
            env=isolated()
            | {
                "GIT_PROJECT_ROOT": str(self.forge.repository.parent.parent),
                "GIT_HTTP_EXPORT_ALL": "1",
                "PATH_INFO": path,
                "QUERY_STRING": query,
                "REQUEST_METHOD": self.command,
                "CONTENT_TYPE": headers.get("content-type", ""),
                "HTTP_CONTENT_ENCODING": headers.get("content-encoding", ""),
                "GIT_PROTOCOL": headers.get("git-protocol", ""),
            },
        )
        head, _, answer = done.stdout.partition(b"\r\n\r\n")
        said = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        self._say(int(said.pop("Status", "200").split()[0]), answer, said)
