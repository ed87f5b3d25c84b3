"""Archives whose bytes depend only on what is in them: names sorted, times and owners left out."""

from __future__ import annotations

import gzip
import io
import os
import stat
import tarfile
import zipfile
from collections import deque
from collections.abc import Collection, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from penstock.lineage.ports import Writing

EARLIEST = (1980, 1, 1, 0, 0, 0)
"""The first time that a ZIP file can tell."""
PIECE = 4 << 20
"""Bytes that are compressed at a time."""
FAST = 1
"""The level of compression of large archives: a tenth larger than the usual one, in a third of its time."""
_WAITING = 2 * (os.cpu_count() or 1)


def entry(name: str, mode: int = 0o644) -> zipfile.ZipInfo:
    """A member of a ZIP archive, to be compressed."""
    info = zipfile.ZipInfo(name, date_time=EARLIEST)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = (stat.S_IFREG | mode) << 16
    info.create_system = 3  # Unix, whatever this is
    return info


def write_tar(file: Writing, members: Mapping[str, Path | bytes]) -> None:
    """Write a gzipped tar archive of files (executable ones stay so) and bytes, on all processors."""
    with Pieces(file) as pieces, tarfile.open(fileobj=pieces, mode="w|", format=tarfile.GNU_FORMAT) as tar:
        for name in sorted(members):
            _add(tar, name, members[name])


def _add(tar: tarfile.TarFile, name: str, content: Path | bytes) -> None:
    info = tarfile.TarInfo(name)
    data = content.read_bytes() if isinstance(content, Path) else content
    info.size = len(data)
    runs = isinstance(content, Path) and content.stat().st_mode & 0o100
    info.mode = 0o755 if runs else 0o644
    tar.addfile(info, io.BytesIO(data))


class Pieces(io.RawIOBase):
    """A file to write to; its pieces are compressed side by side, each a member of a gzip file (RFC 1952)."""

    def __init__(self, file: Writing) -> None:
        self._file = file
        self._piece = bytearray()
        self._pool = ThreadPoolExecutor(thread_name_prefix="gzip")
        self._waiting: deque[Future[bytes]] = deque()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._hand_over()
            while self._waiting:
                self._file.write(self._waiting.popleft().result())
        self._pool.shutdown(cancel_futures=True)

    def write(self, data: Any) -> int:
        """Take bytes; compress them once there are enough."""
        self._piece += data
        if len(self._piece) >= PIECE:
            self._hand_over()
        return len(data)

    def _hand_over(self) -> None:
        self._waiting.append(self._pool.submit(gzip.compress, bytes(self._piece), FAST, mtime=0))
        self._piece.clear()
        if len(self._waiting) > _WAITING:
            self._file.write(self._waiting.popleft().result())


def zipped_wheel(members: Mapping[str, bytes], programs: Collection[str] = ()) -> bytes:
    """A wheel; what describes the distribution comes last, as wheels want it. `programs` can be executed."""
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w") as archive:
        for name in sorted(members, key=lambda name: (".dist-info/" in name, name)):
            archive.writestr(entry(name, 0o755 if name in programs else 0o644), members[name])
    return output.getvalue()


def settle_wheel(wheel: Path) -> None:
    """Pack a wheel again, so that neither times nor modes of the checkout are in it: what is left is what
    the project's own build puts into its files.
    """
    with zipfile.ZipFile(wheel) as archive:
        infos = [info for info in archive.infolist() if not info.is_dir()]
        members = {info.filename: archive.read(info) for info in infos}
    programs = {info.filename for info in infos if info.external_attr >> 16 & 0o100}
    wheel.write_bytes(zipped_wheel(members, programs))
