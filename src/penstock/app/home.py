"""The home: the one directory that holds everything the embedded system keeps."""

from __future__ import annotations

import base64
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import msgspec

from penstock.adapters.predictor.kept import left_alone
from penstock.core.errors import Conflict, NotFound, StorageFailed

GLANCES = 20
"""How often the lock is tried before it is another's: whoever looks for an owner has it for an instant."""
GLANCE = 0.02
"""Seconds between two of these."""


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
        self.address = os.environ.get("PENSTOCK_STORE", "")
        """Of the PostgreSQL database that has the metadata, if it is not the file `database`."""
        self.blobs = self.folder / "blobs"
        self.git = self.folder / "git"
        self.online = self.folder / "online.db"
        self.pushes = self.folder / "pushes.db"
        self.predictions = self.folder / "predictions"
        self.logs = self.folder / "logs"
        self.secrets = self.folder / "secrets.key"
        self._server = self.folder / "server.json"
        self._lock = self.folder / "lock"
        self._identity = self.folder / "store"

    def make(self) -> None:
        """Create the directory if it is not there.

        Raises StorageFailed where it cannot be, and Conflict for a home whose metadata are kept elsewhere.
        """
        self._check_store()
        try:
            for folder in (self.folder, self.logs, self.folder / "serving"):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageFailed(
                what=f"{self.folder} cannot be a home",
                found=error.strerror or str(error),
                fix="Name a directory that can be written to with --home.",
            ) from error

    def require(self) -> None:
        """Raises NotFound when there is no home here."""
        if not self.database.exists() and not self._identity.exists():
            raise NotFound(
                what=f"There is no Penstock home at {self.folder}.",
                fix="Run penstock up or penstock connect first, or name another with --home.",
            )

    def identity(self) -> str:
        """What a database elsewhere knows the home by, empty where the metadata are in the home itself."""
        if not self.address:
            return ""
        if self._identity.exists():
            return self._identity.read_text()
        made = self._identity.with_suffix(".new")  # it counts once there is a store that knows it
        if not made.exists():
            made.write_text(os.urandom(16).hex())
        return made.read_text()

    def keep_identity(self) -> None:
        """From now on the home has the metadata that it has found under its identity, and no others."""
        made = self._identity.with_suffix(".new")
        if self.address and made.exists():
            made.replace(self._identity)

    def key(self) -> str:
        """The secret that the control plane shows to the prediction service."""
        path = self.folder / "serving" / "key"
        if not path.exists():
            made = path.with_name(f"key.{os.getpid()}")
            made.touch(mode=0o600)
            made.write_text(base64.urlsafe_b64encode(os.urandom(32)).decode())
            made.replace(path)
        return path.read_text()

    @contextmanager
    def owned(self) -> Iterator[None]:
        """Hold the home for one system. Raises Conflict if another one runs on it."""
        with self._lock.open("w") as lock:
            if not any(_locked(lock) for _ in range(GLANCES)):
                raise Conflict(
                    what=f"Another Penstock already runs on {self.folder}.",
                    fix="Stop it first, or name another home with --home.",
                )
            self.withdraw()  # a system that was killed could not
            yield

    def is_owned(self) -> bool:
        """Whether a system holds the home, though it may not answer yet; whoever is killed lets go of it."""
        try:
            with self._lock.open() as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except FileNotFoundError:
            return False
        return False

    def announce(self, server: Server) -> None:
        """Tell other programs where the running system answers."""
        made = self._server.with_suffix(".new")
        made.write_bytes(msgspec.json.encode(server))
        made.replace(self._server)

    def withdraw(self) -> None:
        """Take the announcement back."""
        self._server.unlink(missing_ok=True)

    def server(self) -> Server | None:
        """The running system, if there is one and it answers."""
        return self._announced() if self.is_owned() else None

    def predict_url(self) -> str:
        """Where predictions are answered, also by a service whose system was killed; empty for nowhere."""
        server = self._announced() if self.is_owned() or left_alone(self.folder) else None
        return server.predict_url if server else ""

    def _announced(self) -> Server | None:
        try:
            return msgspec.json.decode(self._server.read_bytes(), type=Server)
        except (FileNotFoundError, msgspec.DecodeError):
            return None

    def _check_store(self) -> None:
        if self.address and self.database.exists():
            raise Conflict(
                what=f"The metadata of {self.folder} are in its file {self.database.name}",
                found="PENSTOCK_STORE set",
                fix="Unset it, or name a new home with --home.",
            )
        if not self.address and self._identity.exists():
            raise Conflict(
                what=f"The metadata of {self.folder} are in a PostgreSQL database",
                expected="PENSTOCK_STORE=postgresql://USER:PASSWORD@HOST/DATABASE",
                found="PENSTOCK_STORE not set",
            )


def _locked(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        time.sleep(GLANCE)
        return False
    return True
