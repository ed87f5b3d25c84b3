"""The overview in a real browser that knows no other host."""

import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn

from penstock.app import App
from penstock.web import create_web

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ALONE = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-dev-shm-usage", "--enable-logging=stderr", "--dump-dom"),
)


@pytest.fixture
def address(busy: App) -> Iterator[str]:
    """Where the pages of a system with data are served."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(create_web(busy), lifespan="off", log_config=None))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
    server.should_exit = True
    thread.join()
    listening.close()


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here: apt-get install chromium")
def test_the_overview_renders_offline_and_without_complaint(address: str, tmp_path: Path) -> None:
    nowhere = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
    command = [str(CHROMIUM), *ALONE, nowhere, f"--user-data-dir={tmp_path / 'browser'}", address]
    seen = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert "<polyline" in seen.stdout, "the chart is drawn"
    assert "roc_auc 0.655 &lt;is&gt; 0.045 below 0.700" in seen.stdout
    assert [line for line in seen.stderr.splitlines() if "CONSOLE" in line] == []
