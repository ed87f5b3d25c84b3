"""Requests by wrk, a load generator in C that leaves the processors to the server."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import msgspec

from benchmarks.frame.environments import Failed

CONNECTIONS = 32
_UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


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
