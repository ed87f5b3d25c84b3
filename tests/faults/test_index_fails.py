"""A package index that answers with an error, then not at all, and then as it should."""

from __future__ import annotations

import http.server
import secrets
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import uv
from delivered import lay_out, write

from penstock.adapters.blobs.folder import FolderBlobs
from penstock.adapters.builders.local import LocalBuilder
from penstock.adapters.builders.outputs.archives import zipped_wheel
from penstock.builds.decide import PAUSES
from penstock.builds.service import Builds
from penstock.builds.types import Build
from penstock.core.digests import digest_bytes
from penstock.core.events import Event
from penstock.revisions.types import Branch
from penstock.testing.fakes import FixedClock, MemoryStore
from penstock.testing.forges import FakeForge

NOW = datetime(2025, 4, 8, tzinfo=UTC)
PATIENCE = 120.0
NAME = f"gadget-{secrets.token_hex(6)}"
"""A package that no cache has."""
STEM = NAME.replace("-", "_")
WHEEL = zipped_wheel(
    {
        f"{STEM}/__init__.py": b"",
        f"{STEM}-1.0.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {NAME}\nVersion: 1.0\n".encode(),
        f"{STEM}-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{STEM}-1.0.dist-info/RECORD": b"",
    }
)


class Index(http.server.ThreadingHTTPServer):
    """Gives out the package once it works."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.state = "503"
        self.asked: list[str] = []
        self.closing = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Answering(http.server.BaseHTTPRequestHandler):
    server: Index

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.server.asked.append(self.server.state)
        if self.server.state == "hangs":
            self.server.closing.wait(PATIENCE)
            return
        works = self.server.state == "works"
        self.send_response(200 if works else 503)
        self.send_header("Content-Length", str(len(WHEEL) if works else 0))
        self.end_headers()
        if works and self.command == "GET":
            self.wfile.write(WHEEL)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    monkeypatch.setenv("UV_HTTP_TIMEOUT", "1")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    with Index() as index:
        threading.Thread(target=index.serve_forever, name="index").start()
        try:
            yield index
        finally:
            index.closing.set()
            index.shutdown()
            clean = [uv.find_uv_bin(), "cache", "clean", "--quiet", NAME]
            subprocess.run(clean, check=False, capture_output=True)


def project(folder: Path, index: Index) -> dict[str, bytes]:
    """The project, whose lock takes one package from the index."""
    lay_out(folder)
    write(folder, "arithmetic")
    files = {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*") if f.is_file()}
    source = b'source = { editable = "." }\n'
    assert source in files["uv.lock"]
    wheel = f"{STEM}-1.0-py3-none-any.whl"
    locked = f"""
[[package]]
name = "{NAME}"
version = "1.0"
source = {{ registry = "{index.url}/simple" }}
wheels = [{{ url = "{index.url}/{wheel}", hash = "sha256:{digest_bytes(WHEEL)}" }}]
"""
    needed = source + f'dependencies = [{{ name = "{NAME}" }}]\n'.encode()
    asks = b"dependencies = []", f'dependencies = ["{NAME}"]'.encode()
    return {
        **files,
        "pyproject.toml": files["pyproject.toml"].replace(*asks),
        "uv.lock": files["uv.lock"].replace(source, needed) + locked.encode(),
    }


def test_the_build_breaks_off_waits_and_is_green_when_the_index_works(index: Index, tmp_path: Path) -> None:
    forge, store, machine = FakeForge(), MemoryStore(), FixedClock(NOW)
    forge.create("tiny", protected="main")
    commit = forge.push("tiny", "dev", project(tmp_path / "tiny", index))
    with store.begin() as tx:
        [event] = tx.publish(Event(kind="branch.moved", subject="branch:dev", time=NOW))
        tx.add(Branch(id="tiny:dev", project="tiny", name="dev", commit=commit, moved=NOW, event=event))
    blobs = FolderBlobs(tmp_path / "blobs")
    builder = LocalBuilder(tmp_path / "home", forge, blobs)
    builds = Builds(store, blobs, builder, machine=machine)

    def attempt() -> Build:
        builds.tick(NOW)
        for thread in builder._threads.values():
            thread.join(PATIENCE)
        builds.tick(NOW)
        with store.read() as reader:
            return reader.get(Build, "1")

    try:
        for broken, state in enumerate(("503", "hangs")):
            index.state = state
            build = attempt()
            assert (build.status, build.broken) == ("queued", broken + 1), build.error
            assert "The environment cannot be made from uv.lock: found " in build.error
            assert attempt().broken == broken + 1, "it waits before it asks again"
            machine.advance(PAUSES[broken])
        index.state = "works"
        assert (attempt().status, index.asked[-1]) == ("passed", "works")
        assert set(index.asked) == {"503", "hangs", "works"}
    finally:
        builder.close()
