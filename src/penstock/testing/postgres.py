"""A PostgreSQL server of a test's own, in a folder that goes with it."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import make_url

_SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",  # a test does not cut the power
    "full_page_writes": "off",
    "max_connections": "60",
    "shared_buffers": "32MB",
    "autovacuum": "off",
}


class PostgresServer:
    """A server that answers on a socket in its folder; `databases` are made and named one after another."""

    def __init__(self, programs: Path, folder: Path, user: str) -> None:
        self._programs = programs
        self._folder = folder
        self._user = user
        self._numbers = itertools.count(1)
        self._do(
            "initdb", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", "-D", self._data
        )

    @property
    def _data(self) -> str:
        return str(self._folder / "data")

    def start(self) -> None:
        """Start it and wait until it answers."""
        settings = " ".join(f"-c {name}='{value}'" for name, value in _SETTINGS.items())
        options = f"{settings} -c unix_socket_directories='{self._folder}'"
        self._do("pg_ctl", "-D", self._data, "-w", "-l", str(self._folder / "log"), "-o", options, "start")

    def stop(self, how: str = "fast") -> None:
        """Stop it: `fast` breaks every connection off, `immediate` does so as a crash would."""
        self._do("pg_ctl", "-D", self._data, "-w", "-m", how, "stop")

    def database(self, encoding: str = "UTF8") -> str:
        """The address of a new database."""
        name = f"store_{next(self._numbers)}"
        self.sql("postgres", f"CREATE DATABASE {name} ENCODING '{encoding}' TEMPLATE template0 LOCALE 'C'")
        return self.address(name)

    def drop(self, address: str) -> None:
        """Remove a database that nobody uses any more."""
        self.sql("postgres", f"DROP DATABASE {make_url(address).database}")

    def address(self, name: str) -> str:
        """The address of a database."""
        return f"postgresql://{self._user}@/{name}?host={self._folder}"

    def sql(self, address: str, statement: str) -> str:
        """What `psql` answers to a statement in a database, which is named or an address."""
        where = address if "://" in address else self.address(address)
        return self._do("psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", where, "-c", statement)

    def _do(self, program: str, *words: str) -> str:
        command = [str(self._programs / program), *words]
        done = subprocess.run(
            command,
            user=self._user if os.getuid() == 0 else None,
            cwd=self._folder,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if program == "psql" else subprocess.DEVNULL,
            stderr=subprocess.DEVNULL if program == "pg_ctl" else subprocess.PIPE,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stderr}")
        return (done.stdout or "").strip()


def programs() -> Path | None:
    """Where the programs of PostgreSQL are, if it is installed."""
    found = shutil.which("initdb")
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return Path(found).resolve().parent if found else debian[-1].parent if debian else None


@contextmanager
def serving() -> Iterator[PostgresServer]:
    """A server in a new folder, stopped and removed at the end; root lets `postgres` run it."""
    where = programs()
    assert where, "PostgreSQL is not installed"  # noqa: S101 - whoever asks has looked
    user = "postgres" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name
    folder = Path(tempfile.mkdtemp(prefix="penstock-pg-"))
    try:
        if os.getuid() == 0:
            shutil.chown(folder, user)
        folder.chmod(0o755)
        server = PostgresServer(where, folder, user)
        server.start()
        try:
            yield server
        finally:
            server.stop("immediate")
    finally:
        shutil.rmtree(folder)
