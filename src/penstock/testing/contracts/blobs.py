"""What every place for bytes does."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.core.digests import digest_bytes
from penstock.core.errors import NotFound
from penstock.lineage.ports import Blobs

ABSENT = digest_bytes(b"never stored")


class BlobsContract:
    """Inherit, and give a fixture `blobs` that yields an empty place."""

    @pytest.mark.parametrize("data", [b"", b"penstock", bytes(range(256)) * 10_000])
    def test_bytes_come_back_by_their_digest(self, blobs: Blobs, data: bytes) -> None:
        digest = blobs.put(data)
        assert digest == digest_bytes(data)
        assert blobs.get(digest) == data
        assert blobs.has(digest)

    def test_the_same_bytes_are_stored_once(self, blobs: Blobs) -> None:
        first = blobs.put(b"penstock")
        path = blobs.path(first)
        assert blobs.put(b"penstock") == first
        assert blobs.path(first) == path

    def test_a_file_is_stored_like_its_bytes(self, blobs: Blobs, tmp_path: Path) -> None:
        data = b"0123456789" * 300_000
        (tmp_path / "rows").write_bytes(data)
        assert blobs.put_file(str(tmp_path / "rows")) == blobs.put(data)
        assert blobs.get(digest_bytes(data)) == data

    def test_what_is_written_piece_by_piece_is_stored_like_its_bytes(self, blobs: Blobs) -> None:
        with blobs.writing() as file:
            file.write(b"0123")
            file.write(memoryview(b"456789"))
        assert (file.digest, file.size) == (digest_bytes(b"0123456789"), 10)
        assert blobs.get(file.digest) == b"0123456789"

    def test_what_is_not_written_to_its_end_is_not_stored(self, blobs: Blobs) -> None:
        def fail() -> None:
            with blobs.writing() as file:
                file.write(b"half")
                raise ValueError

        with pytest.raises(ValueError):  # noqa: PT011 - raised above
            fail()
        assert not blobs.digests()

    def test_a_file_that_is_not_there_is_the_callers_error(self, blobs: Blobs, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            blobs.put_file(str(tmp_path / "missing"))

    def test_a_path_is_a_local_file_with_the_bytes(self, blobs: Blobs) -> None:
        path = blobs.path(blobs.put(b"penstock"))
        assert Path(path).read_bytes() == b"penstock"

    def test_the_remote_path_names_the_bytes(self, blobs: Blobs) -> None:
        one, other = blobs.put(b"one"), blobs.put(b"other")
        assert "://" in blobs.where(one)
        assert blobs.where(one) != blobs.where(other)

    def test_what_is_there_can_be_listed_and_deleted(self, blobs: Blobs) -> None:
        one, other = blobs.put(b"one"), blobs.put(b"other")
        assert blobs.digests() == {one: 3, other: 5}
        assert blobs.delete(one)
        assert not blobs.delete(one)
        assert blobs.digests() == {other: 5}
        assert not blobs.has(one)
        assert blobs.get(blobs.put(b"one")) == b"one"

    def test_what_was_stored_lately_is_not_deleted(self, blobs: Blobs) -> None:
        fresh = blobs.put(b"fresh")
        assert not blobs.digests(idle=3600)
        assert not blobs.delete(fresh, idle=3600)
        assert blobs.has(fresh)

    def test_what_was_never_stored_is_not_found(self, blobs: Blobs) -> None:
        assert not blobs.has(ABSENT)
        with pytest.raises(NotFound, match=ABSENT):
            blobs.get(ABSENT)
        with pytest.raises(NotFound, match=ABSENT):
            blobs.path(ABSENT)
