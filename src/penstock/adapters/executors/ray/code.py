"""The code of a project on its way to a node: packed by us, named by digest, unpacked there once."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

from penstock.core.errors import InvalidProject
from penstock.core.sizes import size_text

MOST = 100_000_000
"""Bytes above which a folder is thought to hold data, which do not travel as code."""

Stamps = tuple[tuple[str, int, int], ...]
"""Name, time of change and size of each file: what tells that a folder was not touched since."""


def stamps_of(folder: Path, but: Path) -> Stamps:
    """The files of a project that make up its code: what git would keep, or all where there is no git.

    What is hidden, what Python made and what lies in `but` is never part of it.
    """
    found = []
    for name in sorted(filter(None, _known_to_git(folder) or _all(folder))):
        file = folder / name
        hidden = any(part.startswith(".") or part == "__pycache__" for part in Path(name).parts)
        if not hidden and file.is_file() and not (but.is_relative_to(folder) and file.is_relative_to(but)):
            stat = file.stat()
            found.append((name, stat.st_mtime_ns, stat.st_size))
    return tuple(found)


def pack(folder: Path, stamps: Stamps) -> bytes:
    """The files as an archive: the same bytes for the same files. Raises InvalidProject for too many."""
    size = sum(stamp[2] for stamp in stamps)
    if size > MOST:
        raise InvalidProject(
            what=f"The code of {folder} cannot be sent to a cluster",
            expected=f"at most {size_text(MOST)} besides what git ignores",
            found=size_text(size),
            fix="Name its data in .gitignore; the machines of the cluster read them from a shared folder.",
        )
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w") as archive:
        for name, _, _ in stamps:
            file = folder / name
            entry = tarfile.TarInfo(name)
            data = file.read_bytes()
            entry.size, entry.mode = len(data), file.stat().st_mode & 0o755
            archive.addfile(entry, io.BytesIO(data))
    return output.getvalue()


def unpack(archive: bytes, place: Path) -> None:
    """Unpack an archive so that `place` is complete or not there; another process may be at it too."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=".new-") as scratch:
        tree = Path(scratch, "tree")
        with tarfile.open(fileobj=io.BytesIO(archive)) as packed:
            packed.extractall(tree, filter="data")
        try:
            tree.rename(place)
        except OSError:
            if not place.is_dir():
                raise


def _known_to_git(folder: Path) -> list[str]:
    """What git keeps of a folder or would keep; nothing where it does not know the folder."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    except OSError:
        return []
    return os.fsdecode(done.stdout).split("\0") if done.returncode == 0 else []


def _all(folder: Path) -> Iterator[str]:
    for place, folders, files in os.walk(folder):
        here = Path(place)
        folders[:] = [name for name in folders if not (here / name / "pyvenv.cfg").exists()]
        yield from (str((here / name).relative_to(folder)) for name in files)
