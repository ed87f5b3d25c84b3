"""Rows of results, held to their bars, kept as they come."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from benchmarks.frame.environments import ROOT
from benchmarks.frame.measure import Samples

RESULTS = ROOT / "benchmarks" / "results"
QUICK = RESULTS / "quick"
"""Results of a trial, which mean nothing: git ignores them."""


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    """What was promised: at most so much, or so many times better than the peer (below 1: worse)."""

    at_most: float | None = None
    times: float | None = None

    def text(self, unit: str) -> str:
        """The bar in a table."""
        absolute = f"≤ {self.at_most:g} {unit}" if self.at_most is not None else ""
        if self.times is None:
            return absolute
        return f"≥ {self.times:g} times better" if self.times >= 1 else f"≤ {1 / self.times:g} times as much"

    def met(self, ours: float, ratio: float | None) -> bool | None:
        """Whether it is; None where there was nothing to compare with."""
        if self.times is not None:
            return None if ratio is None else ratio >= self.times
        return self.at_most is not None and ours <= self.at_most


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """Ours beside a peer's: medians, less is better. `ratio` is peer by ours: how many times better ours is.

    `note` says what was compared or why there is no number.
    """

    name: str
    unit: str
    ours: float | None
    peer: float | None
    peer_name: str
    peer_version: str
    ratio: float | None
    bar: str
    met: bool | None
    command: str
    note: str = ""


class Results:
    """The results of an area; each row is written down at once, so that a crash later loses none.

    With `keep`, rows from before stay until they are measured again.
    """

    def __init__(self, area: str, command: str, folder: Path = RESULTS, *, keep: bool = False) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.file = folder / f"{area}.json"
        self._sample_file = folder / f"{area}.samples.json"
        self._command = command
        self._when = datetime.now(UTC).date().isoformat()
        kept = keep and self.file.exists()
        rows = msgspec.json.decode(self.file.read_bytes(), type=list[Row]) if kept else []
        self._rows = {(row.name, row.peer_name): row for row in rows}
        raw = msgspec.json.decode(self._sample_file.read_bytes())["samples"] if kept else []
        self._samples = {(each["name"], each["peer_name"]): each for each in raw}

    @property
    def rows(self) -> list[Row]:
        """All rows so far."""
        return list(self._rows.values())

    def add(  # noqa: PLR0917 a row, from left to right
        self,
        name: str,
        unit: str,
        ours: Samples,
        peer: Samples | None = None,
        peer_name: str = "",
        peer_version: str = "",
        *,
        bar: Bar | None = None,
        note: str = "",
    ) -> Row:
        """Enter ours beside a peer's, or alone."""
        mine, theirs = ours.median, peer.median if peer else None
        ratio = theirs / mine if mine and theirs is not None else None
        reasons = [
            f"{who} failed: {s.error}" for who, s in (("Penstock", ours), (peer_name, peer)) if s and s.error
        ]
        fewer = peer is not None and 0 < len(peer.values) < len(ours.values)
        few = [f"{peer_name}: median of {len(peer.values)}"] if peer and fewer else []
        row = Row(
            name=name,
            unit=unit,
            ours=_rounded(mine),
            peer=_rounded(theirs),
            peer_name=peer_name,
            peer_version=peer_version,
            ratio=_rounded(ratio),
            bar=bar.text(unit) if bar else "",
            met=(bar.met(mine, ratio) if mine is not None else False) if bar else None,
            command=self._command,
            note="; ".join([note, *few, *reasons] if note else [*few, *reasons]),
        )
        key = {"name": name, "peer_name": peer_name}
        self._rows[name, peer_name] = row
        self._samples[name, peer_name] = {**key, "ours": ours.values, "peer": peer.values if peer else []}
        raw = {"when": self._when, "machine": machine(), "samples": list(self._samples.values())}
        self._write(self.file, self.rows)
        self._write(self._sample_file, raw)
        return row

    @staticmethod
    def _write(path: Path, value: object) -> None:
        made = path.with_suffix(".new")
        made.write_bytes(msgspec.json.format(msgspec.json.encode(value), indent=1) + b"\n")
        made.replace(path)


def machine() -> str:
    """The machine in a line."""
    gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    system = f"{platform.system()}, Python {platform.python_version()}"
    return f"{os.cpu_count()} processors, {gigabytes:.0f} GiB, {system}"


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")
