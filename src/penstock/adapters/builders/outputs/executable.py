"""The single-file executable of a release: runs its pipelines wherever there is the same Python."""

from __future__ import annotations

import hashlib
import inspect
import shutil
import sys
import sysconfig
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from penstock.adapters.builders.outputs import start
from penstock.adapters.builders.outputs.archives import EARLIEST, entry
from penstock.adapters.builders.outputs.dependencies import Packed
from penstock.builds.types import Output
from penstock.core.digests import canonical, digest_bytes, digest_value
from penstock.lineage.ports import Blobs
from penstock.pipelines.types import Graph

_SHEBANG = b"#!/usr/bin/env python3\n"
_PIECE = 1 << 20


def make_executable(
    file: Path, packed: Packed, code: Mapping[str, bytes], told: Mapping[str, Any], blobs: Blobs
) -> Output:
    """Write the executable to `file`, and store it as the packed dependencies and what goes around them.

    `code` is the project by file name; `told` is what the program shall know of itself. The same of all of
    these gives the same bytes.
    """
    about = about_release(packed, code, told)
    members = {f"{start.CODE}{name}": data for name, data in code.items()}
    members |= {
        start.ABOUT: canonical(about),
        "__main__.py": inspect.getsource(start).encode(),
    }
    with file.open("wb") as output:
        output.write(_SHEBANG)
        with zipfile.ZipFile(output, "w") as archive:
            stored = zipfile.ZipInfo(start.DEPENDENCIES, date_time=EARLIEST)
            stored.file_size = packed.size
            with Path(blobs.path(packed.digest)).open("rb") as source, archive.open(stored, "w") as member:
                begin = output.tell()
                shutil.copyfileobj(source, member, _PIECE)
            end = begin + packed.size
            for name in sorted(members):
                archive.writestr(entry(name), members[name])
    file.chmod(0o755)
    return _in_parts(file, begin, end, packed, blobs)


def without_dependencies(executable: Path, file: Path) -> None:
    """Write an executable's copy that only starts where the executable was unpacked before."""
    with zipfile.ZipFile(executable) as whole, zipfile.ZipFile(file, "w") as archive:
        for info in whole.infolist():
            if info.filename != start.DEPENDENCIES:
                archive.writestr(entry(info.filename), whole.read(info))


def about_release(packed: Packed, code: Mapping[str, bytes], told: Mapping[str, Any]) -> dict[str, Any]:
    """What an executable knows of itself. `key` names its code, `dependencies` what the code needs."""
    needs = {
        "python": f"{sys.version_info[0]}.{sys.version_info[1]}",
        "implementation": sys.implementation.name,
        "platform": sysconfig.get_platform(),
        "dependencies": packed.digest,
    }
    held = {name: digest_bytes(data) for name, data in code.items()}
    return {**told, **needs, "key": digest_value([told, needs, held])}


def told_of(project: str, commit: str, lock: str, graphs: Sequence[Graph]) -> dict[str, Any]:
    """What an executable is told of its release."""
    pipelines = msgspec.to_builtins(graphs)
    return {"project": project, "commit": commit, "lock": lock, "pipelines": pipelines}


def _in_parts(file: Path, begin: int, end: int, packed: Packed, blobs: Blobs) -> Output:
    """The output; only what lies before and after the dependencies is stored anew."""
    with file.open("rb") as source:
        digest = hashlib.file_digest(source, "sha256").hexdigest()
        source.seek(0)
        head = blobs.put(source.read(begin))
        source.seek(end)
        tail = blobs.put(source.read())
    parts = (head, packed.digest, tail)
    return Output(name="executable", file=file.name, digest=digest, size=file.stat().st_size, parts=parts)
