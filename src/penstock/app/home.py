"""The home: the one directory that holds everything the embedded system keeps."""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from penstock.core.errors import Conflict, NotFound


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """Where a running system answers: its pages and its predictions."""

    url: str
    predict_url: str
    pid: int


class Home:
    """The paths of a home and the lock that makes one system its owner."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.database = self.folder / "penstock.db"
        self.blobs = self.folder / "blobs"
        self.git = self.folder / "git"
        self.predictions = self.folder / "predictions"
        self.logs = self.folder / "logs"
        self._server = self.folder / "server.json"

    def make(self) -> None:
        """Create the directory if it is not there."""
        for folder in (self.folder, self.logs, self.folder / "serving"):
            folder.mkdir(parents=True, exist_ok=True)

    def require(self) -> None:
        """Raises NotFound when there is no home here."""
        if not self.database.exists():
            raise NotFound(
                what=f"There is no Penstock home at {self.folder}.",
                fix="Run penstock up or penstock connect first, or name another with --home.",
            )

    def key(self) -> str:
        """The secret that the control plane shows to the prediction service."""
        path = self.folder / "serving" / "key"
        if not path.exists():
            made = path.with_name(f"key.{os.getpid()}")
            made.touch(mode=0o600)
            made.write_text(secrets.token_urlsafe(32))
            made.replace(path)
        return path.read_text()

    @contextmanager
    def owned(self) -> Iterator[None]:
        """Hold the home for one system. Raises Conflict if another one runs on it."""
        with (self.folder / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Conflict(
                    what=f"Another Penstock already runs on {self.folder}.",
                    fix="Stop it first, or name another home with --home.",
                ) from None
            yield

    def announce(self, server: Server) -> None:
        """Tell other programs where the running system answers."""
        made = self._server.with_suffix(".new")
        made.write_bytes(msgspec.json.encode(server))
        made.replace(self._server)

    def withdraw(self) -> None:
        """Take the announcement back."""
        self._server.unlink(missing_ok=True)

    def server(self) -> Server | None:
        """The running system, if there is one."""
        try:
            server = msgspec.json.decode(self._server.read_bytes(), type=Server)
            os.kill(server.pid, 0)
        except (FileNotFoundError, ProcessLookupError, msgspec.DecodeError):
            return None
        return server
