"""A Redis or Valkey server of a test's own, in a folder that goes with it."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from redis import Redis

READY = "eady to accept connections"


class RedisServer:
    """A server that answers on a socket in its folder, and keeps a log of its writes where it is `logged`."""

    def __init__(self, folder: Path, *, logged: bool) -> None:
        self._folder = folder
        self._logged = logged
        self._process: subprocess.Popen[str] | None = None
        self.address = f"unix://{folder}/redis.sock"

    def start(self) -> None:
        """Start it and wait until it answers."""
        told = program()
        assert told, "Redis is not installed"  # noqa: S101 - whoever asks has looked
        settings = {
            "port": "0",
            "unixsocket": str(self._folder / "redis.sock"),
            "dir": str(self._folder),
            "save": "",
            "appendonly": "yes" if self._logged else "no",
            "daemonize": "no",
        }
        words = [word for name, value in settings.items() for word in (f"--{name}", value)]
        self._process = subprocess.Popen([told, *words], stdout=subprocess.PIPE, text=True)
        assert self._process.stdout  # noqa: S101 - it is a pipe
        for line in self._process.stdout:
            if READY in line:  # as every version of either server says it
                return
        raise RuntimeError("the server ended before it answered")

    def kill(self) -> None:
        """End it as a crash would."""
        if self._process:
            self._process.kill()
            self._process.communicate()
        self._process = None

    def empty(self) -> None:
        """Forget all that it holds."""
        with Redis.from_url(self.address) as client:
            client.flushall()


def program() -> str | None:
    """The program of a server, if one is installed."""
    return shutil.which("redis-server") or shutil.which("valkey-server")


@contextmanager
def serving(*, logged: bool = True) -> Iterator[RedisServer]:
    """A server in a new folder, killed and removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="penstock-redis-"))
    server = RedisServer(folder, logged=logged)
    try:
        server.start()
        yield server
    finally:
        server.kill()
        shutil.rmtree(folder)
