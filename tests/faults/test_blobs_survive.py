from __future__ import annotations

import errno
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from penstock.adapters.blobs import FolderBlobs
from penstock.adapters.blobs.behind import Behind, flush_file_system
from penstock.core.digests import digest_bytes
from penstock.core.errors import Corrupt, NotFound, StorageFailed

SOURCE = b"rows of a very late flight" * 10_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "blobs"


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


FULL_DISK = """
import resource, sys
from pathlib import Path
from penstock.adapters.blobs import FolderBlobs
from penstock.core.errors import StorageFailed

blobs = FolderBlobs(Path(sys.argv[1]))
kept = blobs.put(b"small")
Path(sys.argv[2]).write_bytes(bytes(2_000_000))
resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, resource.RLIM_INFINITY))
for write in (lambda: blobs.put(bytes(1_000_000)), lambda: blobs.put_file(sys.argv[2])):
    try:
        write()
    except StorageFailed as failed:
        print(failed)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
assert blobs.get(kept) == b"small"
assert blobs.has(blobs.put_file(sys.argv[2]))
"""


def test_when_no_more_bytes_fit_nothing_is_left_behind(folder: Path, tmp_path: Path) -> None:
    child = subprocess.run(
        [sys.executable, "-c", FULL_DISK, folder, tmp_path / "large"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert child.stdout.count("could not be stored") == 2
    assert child.stdout.count("File too large") == 2
    assert len(files(folder)) == 2


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_disk_that_fills_at_the_last_moment_leaves_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    blobs = FolderBlobs(folder)
    with monkeypatch.context() as disk:
        disk.setattr(f"os.{call}", full)
        with pytest.raises(StorageFailed, match="No space left"):
            blobs.put(SOURCE)
    assert files(folder) == []
    assert not blobs.has(digest_bytes(SOURCE))
    assert blobs.get(blobs.put(SOURCE)) == SOURCE


def test_what_cannot_be_flushed_behind_its_writer_is_taken_away(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    behind = Behind()
    blobs = FolderBlobs(folder, behind=behind)
    with monkeypatch.context() as disk:
        disk.setattr("os.fsync", broken)
        digest = blobs.put(SOURCE)
        behind.done()
    assert not blobs.has(digest)
    assert blobs.get(blobs.put(SOURCE)) == SOURCE


@pytest.mark.parametrize("whole", [True, False])
def test_many_files_are_flushed_with_their_file_system_and_where_that_fails_each_by_itself(
    folder: Path, monkeypatch: pytest.MonkeyPatch, whole: bool
) -> None:
    def broken(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr("penstock.adapters.blobs.behind.SPELL", 60)
    monkeypatch.setattr("penstock.adapters.blobs.behind.flush_file_system", lambda _: whole)
    monkeypatch.setattr("os.fsync", broken)
    behind = Behind()
    blobs = FolderBlobs(folder, behind=behind)
    digests = [blobs.put(b"%d" % number) for number in range(100)]
    behind.done()
    assert [blobs.has(digest) for digest in digests] == [whole] * 100


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux flushes one file system")
def test_a_file_system_is_flushed_whole(tmp_path: Path) -> None:
    assert flush_file_system(str(tmp_path))


def test_a_writer_that_is_killed_leaves_no_blob_that_is_not_whole(folder: Path) -> None:
    code = (
        "import itertools, sys; from pathlib import Path; from penstock.adapters.blobs import FolderBlobs\n"
        "blobs = FolderBlobs(Path(sys.argv[1]))\n"
        "for i in itertools.count(): blobs.put(str(i).encode() * 300_000); print(i, flush=True)"
    )
    with subprocess.Popen([sys.executable, "-c", code, folder], stdout=subprocess.PIPE) as child:
        assert child.stdout
        for _ in range(3):
            child.stdout.readline()
        child.kill()
    blobs = FolderBlobs(folder)
    whole = [path for path in files(folder) if path.suffix != ".part"]
    assert len(whole) >= 3
    assert all(blobs.has(path.parent.name + path.name) for path in whole)


def test_what_a_killed_writer_left_is_swept_and_what_another_still_writes_is_not(folder: Path) -> None:
    blobs = FolderBlobs(folder)
    with blobs.writing() as file:
        file.write(SOURCE)
        [under_way] = folder.glob("*.part")
        old, young = folder / "old.part", folder / "young.part"
        old.write_bytes(b"half")
        young.write_bytes(b"half")
        for part in (old, under_way):
            os.utime(part, (0, 0))
        FolderBlobs(folder)
        assert set(folder.glob("*.part")) == {under_way, young}
    assert blobs.has(file.digest)


@pytest.mark.parametrize("damage", [SOURCE[:-1], SOURCE[:-1] + b"!", b""])
def test_damaged_bytes_are_noticed_and_repaired_by_storing_them_again(folder: Path, damage: bytes) -> None:
    blobs = FolderBlobs(folder)
    digest = blobs.put(SOURCE)
    path = Path(blobs.path(digest))
    path.chmod(0o644)
    path.write_bytes(damage)
    assert not blobs.has(digest)
    for ask in (blobs.get, blobs.path):
        with pytest.raises(Corrupt, match=digest):
            ask(digest)
    assert blobs.put(SOURCE) == digest
    assert blobs.get(digest) == SOURCE
    assert blobs.path(digest) == str(path)


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "ab/cd", "f" * 63, "F" * 64, "f" * 64 + "\n"])
def test_only_a_digest_names_a_blob(folder: Path, name: str) -> None:
    blobs = FolderBlobs(folder)
    for ask in (blobs.get, blobs.path, blobs.has, blobs.where):
        with pytest.raises(NotFound, match="no such blob"):
            ask(name)


def test_stored_bytes_cannot_be_written_by_accident(folder: Path) -> None:
    blobs = FolderBlobs(folder)
    assert Path(blobs.path(blobs.put(SOURCE))).stat().st_mode & 0o222 == 0


def test_a_file_that_is_written_piece_by_piece_is_there_only_when_it_is_whole(folder: Path) -> None:
    blobs = FolderBlobs(folder)

    def half() -> None:
        with blobs.writing() as file:
            file.write(SOURCE[:10])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        half()
    assert files(folder) == []
    with blobs.writing() as file:
        file.write(SOURCE[:10])
        file.write(memoryview(SOURCE)[10:])
    assert (file.digest, file.size) == (digest_bytes(SOURCE), len(SOURCE))
    assert blobs.get(file.digest) == SOURCE


def test_bytes_are_read_to_be_verified_once_in_a_process_and_again_when_the_file_was_touched(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, reader = FolderBlobs(folder), FolderBlobs(folder)
    digest = writer.put(SOURCE)
    hashed: list[object] = []
    file_digest = hashlib.file_digest
    monkeypatch.setattr(hashlib, "file_digest", lambda *args: hashed.append(args) or file_digest(*args))
    path = Path(writer.path(digest))
    assert not hashed  # who wrote them has digested them
    assert reader.has(digest)
    assert reader.path(digest) == str(path)
    assert len(hashed) == 1
    path.chmod(0o644)
    path.write_bytes(SOURCE[:-1] + b"!")
    assert not writer.has(digest)
    assert not reader.has(digest)
