"""Requests by wrk, a load generator in C that leaves the processors to the server."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from benchmarks.frame.environments import Failed

CONNECTIONS = 32
LOAD = "penstock.adapters.predictor.load"
"""Penstock's own load test, whose requests are due at a steady rate and timed from then."""
_UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


class LoadReport(msgspec.Struct, frozen=True):
    """What a load test at a steady rate says; times in milliseconds from when a request was due."""

    errors: int
    throughput: float
    p50: float
    p99: float


class Measured(msgspec.Struct, frozen=True):
    """Answers a second, times in milliseconds, and how many requests failed."""

    rate: float
    p50: float
    p99: float
    failed: int


def ask(url: str, body: object, folder: Path, seconds: float, connections: int = CONNECTIONS) -> Measured:
    """Ask the same again and again over so many connections. Raises Failed without wrk."""
    wrk = shutil.which("wrk")
    if wrk is None:
        raise Failed("there is no wrk: apt-get install wrk")
    script = folder / "post.lua"
    script.write_text(
        'wrk.method = "POST"\nwrk.headers["Content-Type"] = "application/json"\n'
        f"wrk.body = {json.dumps(json.dumps(body))}\n",
        encoding="utf-8",
    )
    words = [
        wrk,
        "-t1",
        f"-c{connections}",
        f"-d{max(1, round(seconds))}s",
        "--latency",
        "-s",
        str(script),
        url,
    ]
    said = subprocess.run(words, capture_output=True, text=True, check=False, timeout=seconds + 60).stdout
    rate = re.search(r"Requests/sec:\s+([\d.]+)", said)
    times = {name: float(value) * _UNITS[unit] for name, value, unit in _times(said)}
    if not rate or "99%" not in times:
        raise Failed("wrk measured nothing: " + " ".join(said.split())[-200:])
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    broken = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", said)
    failed = int(bad[1]) if bad else 0
    return Measured(
        float(rate[1]), times["50%"], times["99%"], failed + sum(map(int, broken.groups() if broken else ()))
    )


def _times(said: str) -> list[tuple[str, str, str]]:
    return re.findall(r"(50%|99%)\s+([\d.]+)(us|ms|s|m)\b", said)


def ask_steadily(python: str, url: str, body: object, rate: float, seconds: float) -> LoadReport:
    """Ask so often a second, whatever the answers take. Raises Failed."""
    place = urlsplit(url)
    asked = {
        "url": f"http://{place.netloc}",
        "path": place.path,
        "headers": {},
        "requests": [json.dumps(body)],
        "rate": rate,
        "seconds": seconds,
    }
    done = subprocess.run(
        [python, "-m", LOAD], input=json.dumps(asked).encode(), capture_output=True, check=False
    )
    if done.returncode:
        raise Failed(done.stderr.decode()[-300:])
    return msgspec.json.decode(done.stdout, type=LoadReport)
