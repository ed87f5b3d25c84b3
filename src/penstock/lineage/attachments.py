"""Files that clients store with runs and logged models: named by paths there, kept as blobs by digest."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime

import msgspec

from penstock.core.errors import InvalidValue, NotFound
from penstock.lineage.ports import Reader, Transaction
from penstock.lineage.types import Attachment

LONGEST = 1000
LONGEST_PART = 255
"""Characters of a path, and of one part of it: what file systems of clients can keep."""
_FORBIDDEN = re.compile(r"[\\#\x00-\x1f\x7f]|%[0-9a-fA-F]{2}")
"""What no path has: whoever writes the file elsewhere, or asks again by URL, would read more into it."""
_DRIVE = re.compile(r"[A-Za-z]:")


class File(msgspec.Struct, frozen=True):
    """The bytes of a file: their digest in the blob store, and how many they are."""

    digest: str
    size: int


class Line(msgspec.Struct, frozen=True):
    """A line of a listing. `size` is in bytes, None for a folder."""

    path: str
    size: int | None


def check_path(path: str) -> str:
    """The path itself, when it names a file under a run or model, and nothing else. Raises InvalidValue.

    It never becomes a path of the server's disk; but whoever downloads the file makes one of it.
    """
    parts = path.split("/")
    wrong = (
        len(path) > LONGEST
        or any(len(part) > LONGEST_PART for part in parts)
        or set(parts) & {"", ".", ".."}
        or _FORBIDDEN.search(path)
        or any(_DRIVE.match(part) for part in parts)
        or any(0xD800 <= ord(character) < 0xE000 for character in path)
    )
    if wrong:
        raise InvalidValue(
            what="This cannot be the path of a file",
            expected="names with `/` between, without `..`, `\\`, `#` and control characters",
            found=f"{path[:80]!r}",
        )
    return path


def attach(tx: Transaction, subject: str, path: str, file: File, now: datetime) -> Attachment:
    """Keep a file under a path; one that was there is replaced. Raises InvalidValue.

    Its bytes have to be in the blob store already.
    """
    made = Attachment(
        id=f"{subject}/{check_path(path)}",
        subject=subject,
        path=path,
        digest=file.digest,
        size=file.size,
        stored=now,
    )
    (tx.put if tx.count(Attachment, id=made.id) else tx.add)(made)
    return made


def detach(tx: Transaction, subject: str, path: str, now: datetime) -> None:
    """Remove a file, or all that lies in a folder. Raises NotFound where there is nothing."""
    files = attached(tx, subject)
    gone = [each for each in files if each == path or each.startswith(f"{path}/")]
    if not gone:
        raise NotFound(what=f"There is no file {path} with {subject}")
    tx.put(
        *(
            Attachment(id=f"{subject}/{each}", subject=subject, path=each, digest=None, size=0, stored=now)
            for each in gone
        )
    )


def attached(reader: Reader, subject: str) -> dict[str, File]:
    """The files of a subject by path."""
    rows = reader.pick(Attachment, ("path", "digest", "size"), subject=subject)
    return {path: File(digest, size) for path, digest, size in rows if digest is not None}


def attachment(reader: Reader, subject: str, path: str) -> File:
    """A file of a subject. Raises NotFound."""
    rows = reader.pick(Attachment, ("digest", "size"), id=f"{subject}/{path}")
    if not rows or rows[0][0] is None:
        raise NotFound(what=f"There is no file {path} with {subject}")
    return File(*rows[0])


def within(files: Mapping[str, File], folder: str) -> dict[str, File]:
    """The files under a folder by their path there; a file by itself, and all for the empty folder."""
    if not folder:
        return dict(files)
    if folder in files:
        return {folder.rpartition("/")[2]: files[folder]}
    return {path.removeprefix(f"{folder}/"): f for path, f in files.items() if path.startswith(f"{folder}/")}


def listing(files: Mapping[str, File], folder: str) -> list[Line]:
    """What lies directly in a folder, by name; nothing for a file or where there is nothing."""
    start = f"{folder}/" if folder else ""
    found: dict[str, Line] = {}
    for path, file in files.items():
        if path.startswith(start):
            name, deeper, _ = path.removeprefix(start).partition("/")
            found[name] = Line(name, None if deeper else file.size)
    return [found[name] for name in sorted(found)]
